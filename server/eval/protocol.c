/* How families of detectors are evaluated; see server/eval/protocol.h. */
#include "server/eval/protocol.h"

#include <string.h>

#include "server/model_setup.h"

/* How the authors of a family evaluate, which differs from how it is used. */
static const struct protocol {
    const char *family;
    float confidence, iou;
    int max_detections;
} protocols[] = {
    {"nanodet", 0.05F, 0.6F, 100},
    {"yolov5-shufflenetv2", 0.001F, 0.6F, 300},
    {"rfsong", 0.05F, 0.45F, SPOT_DETECTIONS_MAX},
    {"light-head-rcnn", 0.05F, 0.5F, 100},
};

void spot_eval_request(const struct spot_model_entry *entry, const struct spot_model *model,
                       struct spot_request *request) {
    const char *family = spot_model_info(model)->detector->family->name;
    struct spot_request asked;
    spot_model_setup_request(entry, model, &asked);
    *request = asked;
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(protocols[i].family, family) != 0)
            continue;
        request->confidence = protocols[i].confidence;
        request->iou = protocols[i].iou;
        request->max_detections = protocols[i].max_detections;
    }
    if (entry->confidence >= 0)
        request->confidence = asked.confidence;
    if (entry->iou >= 0)
        request->iou = asked.iou;
    if (entry->max_detections > 0)
        request->max_detections = asked.max_detections;
}
