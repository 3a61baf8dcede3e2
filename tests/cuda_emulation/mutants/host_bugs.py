"""Bugs for mutants/host to plant in the plug-in's host code: (file of cuda/, what is wrong, text, what replaces it).

A bug in what cuDNN is asked to plan often changes no result: cuDNN refuses it, a kernel of our own computes, and
the program warns that this is slow.
"""

BUGS = [
    ("lane.c", "a batch is not waited for",
     'spot_cuda_status(cudaEventSynchronize(lane->done), "a batch", error)', "SPOT_OK"),
    ("lane.c", "a lane's device memory is not freed", "(void)cudaFree(self->memory);", ""),
    ("lane.c", "a lane's pinned memory is not freed", "(void)cudaFreeHost(self->pinned);", ""),
    ("lane.c", "a lane's stream is not destroyed", "(void)cudaStreamDestroy(self->stream);", "(void)0;"),
    ("program.c", "scratch memory lies on the values", "run->scratch = memory + program->values_bytes;",
     "run->scratch = memory;"),
    ("program.c", "constants are looked for in the lane's memory",
     "(graph->values[i]->kind == SPOT_VALUE_CONSTANT ? program->weights : memory)", "memory"),
    ("staging.c", "outputs come down before they are computed",
     "port->bytes * (size_t)run->pictures,\n                                     cudaMemcpyDeviceToHost, run->stream);",
     "port->bytes * (size_t)run->pictures,\n                                     cudaMemcpyDeviceToHost, NULL);"),
    ("staging.c", "outputs overlap in pinned memory", "port->host_offset = take(host_bytes, port->bytes * most);\n        if",
     "port->host_offset = take(host_bytes, port->bytes * most / 2);\n        if"),
    ("staging.c", "outputs of maps stay in their layout", "result = spot_cuda_from_map(&params, run->stream);",
     "(void)params;"),
    ("staging.c", "inputs go the wrong way", "cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, lane->stream)",
     "cudaMemcpyAsync(device, host, bytes, cudaMemcpyDeviceToHost, lane->stream)"),
    ("program.c", "maps are counted without their channels' padding",
     "(size_t)map.pitch * spot_dtype_size(map.dtype);", "(size_t)map.channels * spot_dtype_size(map.dtype);"),
    ("program.c", "the pitch is not padded", "map.pitch = spot_cuda_padded(map.channels);", "map.pitch = map.channels;"),
    ("cudnn.c", "the weight is taken for the bias", "{memory->in, memory->weight, memory->bias, memory->out}",
     "{memory->in, memory->weight, memory->weight, memory->out}"),
    ("cudnn.c", "strides are swapped", "{at_least_1(a->stride_h), at_least_1(a->stride_w)}",
     "{at_least_1(a->stride_w), at_least_1(a->stride_h)}"),
    ("cudnn.c", "dilations are swapped", "{at_least_1(a->dilation_h), at_least_1(a->dilation_w)}",
     "{at_least_1(a->dilation_w), at_least_1(a->dilation_h)}"),
    ("cudnn.c", "the margins are swapped", "{a->pad_top, a->pad_left}", "{a->pad_left, a->pad_top}"),
    ("cudnn.c", "the margins before are those after", "{a->pad_top, a->pad_left}", "{a->pad_bottom, a->pad_right}"),
    ("cudnn.c", "the margins after are those before", "{a->pad_bottom, a->pad_right}", "{a->pad_top, a->pad_left}"),
    ("cudnn.c", "ReLU is left out", "bool relu = s->attrs.activation.kind == SPOT_ACT_RELU;", "bool relu = false;"),
    ("cudnn.c", "a plan has no workspace", "(const void *)&memory->workspace", "(const void *)&(void *){NULL}"),
]

# Mistakes with memory and arithmetic that change no result; a build with sanitizers is to notice them.
MEMORY_BUGS = [
    ("program.c", "there is room for half of the values", "calloc((size_t)graph->n_values + 1, sizeof *program->values)",
     "calloc((size_t)graph->n_values / 2 + 1, sizeof *program->values)"),
    ("program.c", "staged weights do not grow by what is added", "size_t capacity = 2 * end + SPOT_CUDA_ALIGNMENT;",
     "size_t capacity = 2 * begin + SPOT_CUDA_ALIGNMENT;"),
    ("program.c", "a program's values are freed twice", "free(self->values);", "free(self->values);\n    free(self->values);"),
    ("program.c", "a program's steps are not freed", "    free(self->steps);\n", ""),
    ("lane.c", "a lane is freed before what it holds", "    free(self->data);\n    free(self->states);\n    free(self);\n",
     "    free(self);\n    free(self->data);\n    free(self->states);\n"),
    ("lane.c", "there is room for a state of each size", "calloc((size_t)program->n_sizes * (size_t)program->n_steps + 1,",
     "calloc((size_t)program->n_sizes,"),
    ("cudnn.c", "a plan's descriptors are not destroyed", "        clear(&(*plan)->set);\n", "        ;\n"),
    ("plan_cache.c", "the cache of plans is not freed", "json_decref((*cache)->root);", "(*cache)->plans = NULL;"),
    ("pack.c", "zero is shifted as a subnormal number is", "if (exponent < 102)", "if (exponent < 102 && exponent > 0)"),
    ("picture.c", "a row is taken to begin a pixel too late", "take_row(picture->pixels + ", "take_row(picture->pixels + 3 + "),
]
