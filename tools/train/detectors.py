"""The detectors that can be trained: what the trainer, the warm-up and the measurement need to know of each.

A detector has
  spotter        its name there
  network()      fresh; its .backbone gives maps as wide as .backbone.WIDTHS
  normalised     uint8 pictures [N,S,S,3] to the network's input
  letterbox      where in the input a picture lies, and the colour beside it
  figures        names of what losses() gives; the first n_losses of it are summed and learned from
  losses(network, x, codes)   x [N,3,S,S] and codes [N,G,5] (x1, y1, x2, y2, class, or class -1) to its figures
  metadata(side) what spotter is to know beside classes and input, for the weights file
"""
import functools

import torch

import gfl_losses
import light_head_rcnn
import nanodet
import rcnn_losses
from codes import CLASSES
from shards import Letterbox


class NanoDet:
    spotter = "nanodet-m-320"
    normalised = staticmethod(nanodet.normalised)
    letterbox = Letterbox(centred=True, colour=(0, 0, 0))
    figures, n_losses = ("class", "box", "distribution", "iou"), 3
    cells = staticmethod(functools.lru_cache(maxsize=8)(nanodet.cells))

    @staticmethod
    def network():
        return nanodet.NanoDet(len(CLASSES))

    def losses(self, network, x, codes):
        with torch.autocast("cpu", torch.bfloat16):
            rows = network(x)
        return gfl_losses.losses(rows, codes, *self.cells(x.shape[2]), len(CLASSES))

    @staticmethod
    def metadata(_side):
        return {}


class LightHeadRCNN:
    spotter = "light-head-rcnn-s"
    normalised = staticmethod(light_head_rcnn.normalised)
    letterbox = Letterbox(centred=False, colour=tuple(round(v) for v in light_head_rcnn.MEAN))
    figures, n_losses = rcnn_losses.FIGURES, 4
    losses = staticmethod(rcnn_losses.losses)

    def __init__(self, roi):
        self.roi = roi

    def network(self):
        return light_head_rcnn.LightHeadRCNN(len(CLASSES), self.roi)

    def metadata(self, side):
        return {"variant": f"roi={self.roi},short_side={side},long_side={side},"
                           f"pre_nms={light_head_rcnn.BEFORE},proposals={light_head_rcnn.AFTER}"}


DETECTORS = {
    "nanodet-m": NanoDet(),
    "light-head-rcnn-s": LightHeadRCNN("align"),
    "light-head-rcnn-s-pool": LightHeadRCNN("pool"),
}
