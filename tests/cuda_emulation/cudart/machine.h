/*
 * The emulated machine: memory, work and who may touch what. Internal to the emulated libcudart.
 * Everything is under one lock, which every function of the library takes on entry (`Machine`);
 * what is declared here expects it taken.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_CUDART_MACHINE_H
#define SPOT_TESTS_CUDA_EMULATION_CUDART_MACHINE_H

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdint.h>
#include <string>
#include <thread>
#include <vector>

#include "tests/cuda_emulation/cudart/emulated.h"
#include "tests/cuda_emulation/ptx/device.h"

#define API extern "C" __attribute__((visibility("default")))

/*
 * Holds the machine's lock, which is given in the order in which threads ask for it: one that runs
 * batch after batch must not keep another from its GPU. A thread may take it again while it has it.
 */
struct Machine {
    Machine();
    ~Machine();
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;
};

/* ---- settings and faults (machine.cpp) ---- */

const char *setting(const char *name, const char *otherwise);
bool checks_all();
int device_count();
int compute_capability();

/* Whether the fault `kind:N` is due, if this is the N-th time it is asked. */
bool fault_due(const char *kind);
bool fault_set(const char *kind);

/* Remembers an error for cudaGetLastError and returns it. */
cudaError_t result(cudaError_t error);

/* The error after which nothing works any more on the thread's device, or cudaSuccess. */
cudaError_t dead();
bool any_dead();
void die(cudaError_t error, const char *what);

int current_device();

/* ---- memory (memory.cpp) ---- */

struct Allocation {
    uint64_t begin;
    size_t bytes;
    int device;
    bool live;
};

bool is_device(const void *memory);
char *to_host(uint64_t address);

/* The allocation that holds all these bytes, live or freed; NULL: none. */
const Allocation *find_allocation(uint64_t address, size_t bytes);

bool is_pinned(const void *memory, size_t bytes);

/* Changes when memory is freed: then no struct ptx_window holds any more. */
extern uint32_t memory_generation;

/* ---- who touched what (shadow.cpp) ---- */

/* The part of the work that touches memory now. */
struct Toucher {
    uint32_t node; /* Node::id */
    uint32_t block, barriers;
    uint16_t thread; /* WHOLE: not a kernel's */
    uint8_t exchanges;
    bool atomically = false;
};

enum { WHOLE = 0xffff };

/* Reports races and reads of memory that was never written, at `line` of `what`'s PTX, or 0. */
void shadow_touch(uint64_t address, size_t bytes, enum ptx_access access, const Toucher &by,
                  const char *what, int line);
/* Memory that was freed: nobody touched it, nothing was written. */
void shadow_forget(uint64_t address, size_t bytes);

/*
 * Races in the shared memory of a block, by offset; shadow_new_block makes it fresh. Reads of what
 * nobody wrote are no fault there: the compiler loads early what is then not used.
 */
void shadow_new_block(size_t bytes);
void shadow_touch_shared(uint64_t offset, size_t bytes, enum ptx_access access, const Toucher &by,
                         const char *what, int line);

/* ---- work (work.cpp) ---- */

/*
 * A vector clock: for every order (a stream, or a branch of a graph) how far its work is known to
 * be done. Work A comes before work B if B's clock has reached A's place in A's order.
 */
typedef std::vector<uint32_t> Clock;

/* What a stream can do: a kernel, a copy … The same one runs again when a graph is replayed. */
struct Operation {
    const char *what;
    explicit Operation(const char *name) : what(name) {}
    virtual ~Operation() {}
    /* When it is queued; what it returns is given to run. */
    virtual uint64_t queued() { return 0; }
    virtual cudaError_t run(uint64_t token) = 0;
};
typedef std::shared_ptr<Operation> OperationPtr;

/* An operation in a queue. */
struct Node {
    uint32_t id;
    OperationPtr operation;
    uint64_t token;
    Clock clock;
    std::vector<std::shared_ptr<Node>> after; /* what must be done first */
    bool done;
};
typedef std::shared_ptr<Node> NodePtr;

struct Graph {
    struct Entry {
        OperationPtr operation;
        std::vector<size_t> after;
        unsigned branch;
    };
    std::vector<Entry> entries; /* each after those it depends on */
    std::vector<unsigned> orders;
    std::vector<struct Stream *> branches; /* streams that it was captured from */
    bool invalid;
    std::thread::id thread;
    cudaStreamCaptureMode mode;
    NodePtr last; /* end of the last replay: replays of a graph do not overlap */
};

struct Stream {
    int device;
    bool blocking; /* with regard to the default stream */
    unsigned order;
    std::vector<NodePtr> front;        /* ends of what was queued */
    Graph *capture;                    /* NULL: not capturing */
    bool origin;                       /* it began the capture */
    std::vector<size_t> capture_front; /* numbers of entries */
};

struct Event {
    int device;
    bool timed, recorded;
    std::vector<NodePtr> front;
    Graph *capture;
    std::vector<size_t> capture_front;
};

/* The stream behind a handle; NULL: there is none. */
Stream *find_stream(cudaStream_t handle);
Event *find_event(cudaEvent_t handle);
unsigned new_order();

/* Puts an operation into a stream, or into the graph that it captures. */
cudaError_t enqueue(Stream *stream, const OperationPtr &operation);
/* A node that follows others in an order; queued but not in a stream. */
NodePtr make_node(const OperationPtr &operation, unsigned order, const std::vector<NodePtr> &after);

/* Runs what these wait for. By the host's will, which then knows that it is done. */
void complete(const std::vector<NodePtr> &nodes);
void complete_all();
/* A query: nodes may run meanwhile; whether all are done. */
bool poll(const std::vector<NodePtr> &nodes);
/* After new work, when it is to run at once or by chance. */
void work_was_queued(const std::vector<NodePtr> &nodes);

/* The node that runs now, or NULL. */
const Node *running();
/* Whether node number `id` is certain to be done when the running one begins; its name. */
bool comes_before_running(uint32_t id);
const char *node_name(uint32_t id);

/* Ends a capture that may not go on, because of a call that must not be made in it. */
cudaError_t refuse_in_capture(const char *call);

/* ---- kernels (module.cpp, kernel.cpp) ---- */

/* Runs a kernel of a translated module, here and now. */
cudaError_t run_kernel(const struct ptx_kernel *kernel, dim3 blocks, dim3 threads,
                       const std::vector<uint8_t> &params, int device);

#endif
