/*
 * Work and the order in which it runs. What is queued waits until something needs it (lazy), so a
 * host that does not wait, or a stream that does not wait for another, sees that work was not done.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <algorithm>
#include <random>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING_MAX = 4096, SOON = 4 /* by chance, one in so many runs early */ };

enum Mode { LAZY, EAGER, RANDOM };

static std::mt19937 random_numbers;
static std::vector<NodePtr> &pending = *new std::vector<NodePtr>;
static const Node *current;
static unsigned orders;
static Clock &host = *new Clock; /* what the host has waited for */

/* By id: what a node was, for as long as the process lives. */
struct Past {
    const char *what;
    unsigned order;
    uint32_t place;
};
static std::vector<Past> &past = *new std::vector<Past>(1);

static Mode mode() {
    static Mode chosen = [] {
        const char *text = setting("EMULATED_CUDA_ORDER", "lazy");
        if (strncmp(text, "random", 6) == 0)
            random_numbers.seed((unsigned)(text[6] == ':' ? atoi(text + 7) : 1));
        return strcmp(text, "eager") == 0 ? EAGER : strncmp(text, "random", 6) == 0 ? RANDOM : LAZY;
    }();
    return chosen;
}

unsigned new_order() {
    return orders++;
}

static void merge(Clock *into, const Clock &from) {
    if (into->size() < from.size())
        into->resize(from.size());
    for (size_t i = 0; i < from.size(); i++)
        (*into)[i] = std::max((*into)[i], from[i]);
}

NodePtr make_node(const OperationPtr &operation, unsigned order,
                  const std::vector<NodePtr> &after) {
    static std::vector<uint32_t> &places = *new std::vector<uint32_t>; /* used, by order */
    NodePtr node = std::make_shared<Node>();
    node->id = (uint32_t)past.size();
    node->operation = operation;
    node->after = after;
    node->done = false;
    node->clock = host;
    for (const NodePtr &earlier : after)
        merge(&node->clock, earlier->clock);
    if (places.size() <= order)
        places.resize(order + 1);
    if (node->clock.size() <= order)
        node->clock.resize(order + 1);
    node->clock[order] = ++places[order];
    past.push_back({operation->what, order, places[order]});
    node->token = operation->queued();
    if (pending.size() >= PENDING_MAX)
        pending.erase(std::remove_if(pending.begin(), pending.end(),
                                     [](const NodePtr &old) { return old->done; }),
                      pending.end());
    pending.push_back(node);
    return node;
}

const Node *running() {
    return current;
}

const char *node_name(uint32_t id) {
    return past[id].what;
}

bool comes_before_running(uint32_t id) {
    enum { REMEMBERED = 64 };
    static struct {
        uint32_t id, by;
        bool before;
    } remembered[REMEMBERED];
    auto &answer = remembered[id % REMEMBERED];
    if (answer.id == id && answer.by == current->id)
        return answer.before;
    const Past &earlier = past[id];
    answer = {id, current->id,
              earlier.order < current->clock.size() &&
                  current->clock[earlier.order] >= earlier.place};
    return answer.before;
}

/* ---- running ---- */

/* How often each operation ran, for EMULATED_CUDA_COUNTS. */
static std::map<std::string, size_t> &counts = *new std::map<std::string, size_t>;

__attribute__((destructor)) static void write_counts(void) {
    const char *path = setting("EMULATED_CUDA_COUNTS", "");
    FILE *file = *path != '\0' ? fopen(path, "w") : nullptr;
    if (file == nullptr)
        return;
    for (const auto &entry : counts)
        fprintf(file, "%zu %s\n", entry.second, entry.first.c_str());
    fclose(file);
}

static void run(const NodePtr &node) {
    node->done = true;
    node->after.clear();
    if (dead() != cudaSuccess)
        return;
    counts[node->operation->what]++;
    current = node.get();
    cudaError_t error = node->operation->run(node->token);
    current = nullptr;
    if (error != cudaSuccess)
        die(error, node->operation->what);
}

/* A node and before it all that it waits for; without recursion, for chains may be long. */
static void run_with_all_before(const NodePtr &last) {
    std::vector<NodePtr> stack = {last};
    while (!stack.empty()) {
        NodePtr node = stack.back();
        auto undone = std::find_if(node->after.begin(), node->after.end(),
                                   [](const NodePtr &earlier) { return !earlier->done; });
        if (!node->done && undone != node->after.end()) {
            stack.push_back(*undone);
            continue;
        }
        if (!node->done)
            run(node);
        stack.pop_back();
    }
}

static void run_by_chance() {
    if (mode() != RANDOM)
        return;
    std::vector<NodePtr> some;
    for (const NodePtr &node : pending)
        if (!node->done && random_numbers() % SOON == 0)
            some.push_back(node);
    std::shuffle(some.begin(), some.end(), random_numbers);
    for (const NodePtr &node : some)
        run_with_all_before(node);
}

void complete(const std::vector<NodePtr> &nodes) {
    run_by_chance();
    for (const NodePtr &node : nodes) {
        run_with_all_before(node);
        merge(&host, node->clock);
    }
}

void complete_all() {
    std::vector<NodePtr> all;
    all.swap(pending);
    if (mode() == RANDOM)
        std::shuffle(all.begin(), all.end(), random_numbers);
    for (const NodePtr &node : all) {
        run_with_all_before(node);
        merge(&host, node->clock);
    }
}

bool poll(const std::vector<NodePtr> &nodes) {
    for (const NodePtr &node : nodes) {
        if (node->done)
            continue;
        if (random_numbers() % 3 == 0) /* who asks often enough is told that it is done */
            run_with_all_before(node);
        return false;
    }
    for (const NodePtr &node : nodes)
        merge(&host, node->clock);
    return true;
}

void work_was_queued(const std::vector<NodePtr> &nodes) {
    if (mode() == EAGER)
        for (const NodePtr &node : nodes)
            run_with_all_before(node);
    run_by_chance();
}

/* ---- work of others ---- */

struct Call : Operation {
    void (*body)(void *);
    void *argument;
    Call(const char *name, void (*function)(void *), void *data)
        : Operation(name), body(function), argument(data) {}
    cudaError_t run(uint64_t) override {
        body(argument);
        return cudaSuccess;
    }
};

API cudaError_t emulated_cuda_enqueue(cudaStream_t stream, const char *what, void (*run)(void *),
                                      void *argument) {
    Machine machine;
    Stream *found = find_stream(stream);
    if (found == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (fault_due("launch"))
        die(cudaErrorLaunchFailure, what);
    return enqueue(found, std::make_shared<Call>(what, run, argument));
}

API cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
    Machine machine;
    Stream *found = find_stream(stream);
    if (found == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    return enqueue(found, std::make_shared<Call>("a host function", function, data));
}
