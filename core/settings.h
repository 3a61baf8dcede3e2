/*
 * The settings row: what a graph is told about each picture beside its pixels. Every detector graph
 * has an input "settings" [1,SPOT_SETTINGS]; the operators that need them read them by these
 * indices. Filled by models/model.c from the picture's size and the request's parameters.
 */
#ifndef SPOT_CORE_SETTINGS_H
#define SPOT_CORE_SETTINGS_H

enum spot_setting {
    SPOT_SET_CONFIDENCE, /* score threshold, 0 to 1 */
    SPOT_SET_IOU,        /* overlap above which a box is suppressed, 0 to 1 */
    SPOT_SET_PICTURE_W,  /* the picture's size in pixels */
    SPOT_SET_PICTURE_H,
    SPOT_SET_RESIZED_W, /* its size after resizing, in network pixels, whole numbers */
    SPOT_SET_RESIZED_H,
    SPOT_SET_PAD_X, /* where its top left corner lies in the network input, whole numbers */
    SPOT_SET_PAD_Y,
    SPOT_SET_SCALE_X, /* network pixels for one picture pixel: X = (x - pad_x) / scale_x */
    SPOT_SET_SCALE_Y,
    SPOT_SETTINGS = 16 /* length of the row; the rest is 0 */
};

#endif
