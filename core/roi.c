/* Regions of interest; see core/roi.h. */
#include "core/roi.h"

bool spot_roi_read(const float *row, int images, struct spot_roi *roi) {
    if (!(row[0] >= 0 && row[0] < (float)images))
        return false;
    for (int i = 1; i < SPOT_ROI_FIELDS; i++)
        if (!(row[i] >= -SPOT_ROI_FAR && row[i] <= SPOT_ROI_FAR))
            return false;
    *roi = (struct spot_roi){(int)row[0], row[1], row[2], row[3], row[4]};
    return (float)roi->image == row[0];
}
