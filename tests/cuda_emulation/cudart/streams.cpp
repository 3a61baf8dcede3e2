/* Streams, events, and graphs that are captured from streams. */
#include "tests/cuda_emulation/cudart/machine.h"

#include <random>

static std::set<Stream *> &streams = *new std::set<Stream *>;
static std::set<Event *> &events = *new std::set<Event *>;
static std::set<Graph *> &graphs = *new std::set<Graph *>;
static std::set<Graph *> &instances = *new std::set<Graph *>;

/* The default stream; blocking streams wait for it and it for them. */
static Stream *default_stream() {
    static Stream *stream = new Stream{0, true, new_order(), {}, nullptr, false, {}};
    return stream;
}

Stream *find_stream(cudaStream_t handle) {
    if (handle == nullptr || handle == cudaStreamLegacy)
        return default_stream();
    auto found = streams.find((Stream *)handle);
    return found != streams.end() ? *found : nullptr;
}

Event *find_event(cudaEvent_t handle) {
    auto found = events.find((Event *)handle);
    return found != events.end() ? *found : nullptr;
}

template <typename T> static void append(std::vector<T> *to, const std::vector<T> &more) {
    to->insert(to->end(), more.begin(), more.end());
}

/* ---- captures ---- */

static cudaError_t invalidate(Graph *graph, cudaError_t error) {
    graph->invalid = true;
    return result(error);
}

cudaError_t refuse_in_capture(const char *call) {
    if (running() != nullptr) {
        emulated_cuda_problem("%s is called from a host function of a stream", call);
        return result(cudaErrorNotPermitted);
    }
    for (Stream *stream : streams) {
        if (stream->capture == nullptr || !stream->origin ||
            stream->capture->mode == cudaStreamCaptureModeRelaxed)
            continue;
        if (stream->capture->mode == cudaStreamCaptureModeThreadLocal &&
            stream->capture->thread != std::this_thread::get_id())
            continue;
        emulated_cuda_problem("%s is called while a stream is captured", call);
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    }
    return cudaSuccess;
}

static unsigned branch_of(Graph *graph, Stream *stream) {
    for (unsigned i = 0; i < graph->branches.size(); i++)
        if (graph->branches[i] == stream)
            return i;
    graph->branches.push_back(stream);
    return (unsigned)graph->branches.size() - 1;
}

static cudaError_t capture(Stream *stream, const OperationPtr &operation) {
    Graph *graph = stream->capture;
    graph->entries.push_back({operation, stream->capture_front, branch_of(graph, stream)});
    stream->capture_front = {graph->entries.size() - 1};
    return result(graph->invalid ? cudaErrorStreamCaptureInvalidated : cudaSuccess);
}

/* ---- queueing ---- */

/* What the default stream's rules make an operation wait for, besides its stream. */
static std::vector<NodePtr> implicit_waits(const Stream *stream) {
    std::vector<NodePtr> nodes;
    if (stream == default_stream()) {
        for (Stream *other : streams)
            if (other->blocking && other->capture == nullptr)
                append(&nodes, other->front);
    } else if (stream->blocking) {
        nodes = default_stream()->front;
    }
    return nodes;
}

cudaError_t enqueue(Stream *stream, const OperationPtr &operation) {
    if (dead() != cudaSuccess)
        return result(dead());
    if (stream->capture != nullptr)
        return capture(stream, operation);
    if (stream == default_stream())
        for (Stream *other : streams)
            if (other->capture != nullptr && other->blocking)
                return invalidate(other->capture, cudaErrorStreamCaptureImplicit);
    std::vector<NodePtr> after = stream->front;
    append(&after, implicit_waits(stream));
    stream->front = {make_node(operation, stream->order, after)};
    work_was_queued(stream->front);
    return result(dead());
}

/* ---- streams ---- */

API cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    Machine machine;
    if (dead() != cudaSuccess)
        return result(dead());
    Stream *made = new Stream{current_device(),
                              (flags & cudaStreamNonBlocking) == 0,
                              new_order(),
                              {},
                              nullptr,
                              false,
                              {}};
    streams.insert(made);
    *stream = (cudaStream_t)made;
    return cudaSuccess;
}

API cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int) {
    return cudaStreamCreateWithFlags(stream, flags);
}

API cudaError_t cudaStreamCreate(cudaStream_t *stream) {
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

API cudaError_t cudaStreamDestroy(cudaStream_t handle) {
    Machine machine;
    Stream *stream = find_stream(handle);
    if (stream == nullptr || stream == default_stream())
        return result(cudaErrorInvalidResourceHandle);
    /* Its work goes on, but nobody can wait for it any more. */
    streams.erase(stream);
    delete stream;
    return result(dead());
}

API cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    Machine machine;
    Stream *stream = find_stream(handle);
    if (stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (stream->capture != nullptr)
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    if (cudaError_t error = refuse_in_capture("cudaStreamSynchronize"))
        return error;
    complete(stream->front);
    return result(dead());
}

API cudaError_t cudaStreamQuery(cudaStream_t handle) {
    Machine machine;
    Stream *stream = find_stream(handle);
    if (stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (stream->capture != nullptr)
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    if (!poll(stream->front))
        return cudaErrorNotReady;
    return result(dead());
}

API cudaError_t cudaDeviceSynchronize(void) {
    Machine machine;
    if (cudaError_t error = refuse_in_capture("cudaDeviceSynchronize"))
        return error;
    complete_all();
    return result(dead());
}

/* ---- events ---- */

API cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    Machine machine;
    if (dead() != cudaSuccess)
        return result(dead());
    Event *made =
        new Event{current_device(), (flags & cudaEventDisableTiming) == 0, false, {}, nullptr, {}};
    events.insert(made);
    *event = (cudaEvent_t)made;
    return cudaSuccess;
}

API cudaError_t cudaEventCreate(cudaEvent_t *event) {
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

API cudaError_t cudaEventDestroy(cudaEvent_t handle) {
    Machine machine;
    Event *event = find_event(handle);
    if (event == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    events.erase(event);
    delete event;
    return result(dead());
}

API cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
    Machine machine;
    Event *event = find_event(handle);
    Stream *stream = find_stream(stream_handle);
    if (event == nullptr || stream == nullptr || event->device != stream->device)
        return result(cudaErrorInvalidResourceHandle);
    event->recorded = true;
    event->front = stream->front;
    event->capture = stream->capture;
    event->capture_front = stream->capture_front;
    return result(dead());
}

API cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned) {
    Machine machine;
    Event *event = find_event(handle);
    Stream *stream = find_stream(stream_handle);
    if (event == nullptr || stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (!event->recorded)
        return result(dead());
    if (event->capture != nullptr) {
        if (stream->capture == nullptr) {
            stream->capture = event->capture;
            stream->capture_front.clear();
        }
        append(&stream->capture_front, event->capture_front);
        return result(dead());
    }
    if (stream->capture != nullptr)
        return invalidate(stream->capture, cudaErrorStreamCaptureIsolation);
    append(&stream->front, event->front);
    return result(dead());
}

API cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
    Machine machine;
    Event *event = find_event(handle);
    if (event == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (event->capture != nullptr)
        return invalidate(event->capture, cudaErrorCapturedEvent);
    if (cudaError_t error = refuse_in_capture("cudaEventSynchronize"))
        return error;
    complete(event->front);
    return result(dead());
}

API cudaError_t cudaEventQuery(cudaEvent_t handle) {
    Machine machine;
    Event *event = find_event(handle);
    if (event == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (event->capture != nullptr)
        return invalidate(event->capture, cudaErrorCapturedEvent);
    if (!poll(event->front))
        return cudaErrorNotReady;
    return result(dead());
}

/* There is no time in an emulation: spans are chosen by chance, the same ones in every run. */
API cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end) {
    static std::mt19937 spans;
    enum { LONGEST_MS = 16 };
    Machine machine;
    for (cudaEvent_t handle : {begin, end}) {
        Event *event = find_event(handle);
        if (event == nullptr || !event->timed || !event->recorded || event->capture != nullptr)
            return result(cudaErrorInvalidResourceHandle);
        for (const NodePtr &node : event->front)
            if (!node->done)
                return cudaErrorNotReady;
    }
    *ms = (float)(1 + spans() % LONGEST_MS);
    return result(dead());
}

/* ---- capture into graphs ---- */

API cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
    Machine machine;
    Stream *stream = find_stream(handle);
    if (stream == nullptr || stream == default_stream())
        return result(cudaErrorStreamCaptureUnsupported);
    if (stream->capture != nullptr)
        return result(cudaErrorIllegalState);
    if (dead() != cudaSuccess)
        return result(dead());
    stream->capture =
        new Graph{{}, {}, {}, fault_due("capture"), std::this_thread::get_id(), mode, nullptr};
    stream->origin = true;
    stream->capture_front.clear();
    return cudaSuccess;
}

/* Whether everything captured leads to where the stream that began it ends. */
static bool all_joined(const Graph *graph, const Stream *origin) {
    std::vector<bool> reached(graph->entries.size());
    for (size_t end : origin->capture_front)
        reached[end] = true;
    for (size_t i = graph->entries.size(); i-- > 0;)
        if (reached[i])
            for (size_t earlier : graph->entries[i].after)
                reached[earlier] = true;
    for (bool one : reached)
        if (!one)
            return false;
    return true;
}

API cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
    Machine machine;
    Stream *origin = find_stream(handle);
    *graph = nullptr;
    if (origin == nullptr || origin->capture == nullptr || !origin->origin)
        return result(cudaErrorIllegalState);
    Graph *captured = origin->capture;
    if (captured->mode == cudaStreamCaptureModeThreadLocal &&
        captured->thread != std::this_thread::get_id())
        return result(cudaErrorStreamCaptureWrongThread);
    bool joined = all_joined(captured, origin);
    for (Stream *stream : streams) {
        if (stream->capture != captured)
            continue;
        stream->capture = nullptr;
        stream->origin = false;
        stream->capture_front.clear();
    }
    if (captured->invalid || !joined) {
        cudaError_t error =
            captured->invalid ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined;
        for (Event *event : events)
            if (event->capture == captured)
                event->capture = nullptr;
        delete captured;
        return result(error);
    }
    graphs.insert(captured);
    *graph = (cudaGraph_t)captured;
    return result(dead());
}

API cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
    Machine machine;
    Stream *stream = find_stream(handle);
    if (stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
              : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

API cudaError_t cudaGraphInstantiate(cudaGraphExec_t *instance, cudaGraph_t graph,
                                     unsigned long long) {
    Machine machine;
    if (graphs.count((Graph *)graph) == 0)
        return result(cudaErrorInvalidValue);
    if (dead() != cudaSuccess)
        return result(dead());
    Graph *made = new Graph(*(Graph *)graph);
    for (size_t i = 0; i < made->branches.size(); i++)
        made->orders.push_back(new_order());
    instances.insert(made);
    *instance = (cudaGraphExec_t)made;
    return cudaSuccess;
}

/* Where branches meet, and what a stream waits for after a graph. */
struct Join : Operation {
    Join() : Operation("the end of a graph") {}
    cudaError_t run(uint64_t) override { return cudaSuccess; }
};

API cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream_handle) {
    Machine machine;
    Graph *graph = (Graph *)handle;
    Stream *stream = find_stream(stream_handle);
    if (instances.count(graph) == 0 || stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (stream->capture != nullptr)
        return invalidate(stream->capture, cudaErrorStreamCaptureUnsupported);
    if (fault_due("launch"))
        die(cudaErrorLaunchFailure, "a graph");
    if (dead() != cudaSuccess)
        return result(dead());
    std::vector<NodePtr> before = stream->front, nodes;
    append(&before, implicit_waits(stream));
    if (graph->last != nullptr)
        before.push_back(graph->last);
    for (const Graph::Entry &entry : graph->entries) {
        std::vector<NodePtr> after;
        for (size_t earlier : entry.after)
            after.push_back(nodes[earlier]);
        nodes.push_back(make_node(entry.operation, graph->orders[entry.branch],
                                  after.empty() ? before : after));
    }
    append(&nodes, before);
    graph->last = make_node(std::make_shared<Join>(), stream->order, nodes);
    stream->front = {graph->last};
    work_was_queued(stream->front);
    return result(dead());
}

API cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    Machine machine;
    if (graphs.erase((Graph *)graph) == 0)
        return result(cudaErrorInvalidValue);
    for (Event *event : events)
        if (event->capture == (Graph *)graph)
            event->capture = nullptr;
    delete (Graph *)graph;
    return result(dead());
}

API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t instance) {
    Machine machine;
    if (instances.erase((Graph *)instance) == 0)
        return result(cudaErrorInvalidValue);
    delete (Graph *)instance;
    return result(dead());
}

/* ---- what is left at the end ---- */

__attribute__((destructor)) static void report_leaks(void) {
    Machine machine;
    if (dead() != cudaSuccess)
        return;
    if (!streams.empty())
        emulated_cuda_problem("%zu streams were not destroyed", streams.size());
    if (!events.empty())
        emulated_cuda_problem("%zu events were not destroyed", events.size());
    if (!graphs.empty() || !instances.empty())
        emulated_cuda_problem("%zu graphs were not destroyed", graphs.size() + instances.size());
}
