"""Light-Head R-CNN, setting S, for training: an Xception-like backbone, region proposals, a large separable convolution
and a second stage on regions cut out of its thin map. models/light_head_rcnn.c is the same network with the same names;
norms behind the convolutions with a bias are only here, and folded into them in exported weights."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from ps_roi import OPERATORS, THIN
from regions import ANCHORS, DEVIATION, anchors, clipped, decoded, suppressed

MEAN = (102.9801, 115.9465, 122.7717)  # B, G, R
STAGES = (("stage2", 144, 4), ("stage3", 288, 8), ("stage4", 576, 4))
STRIDE, THIN_STRIDE = 16, 32  # of the map that proposals are made on, and of the one that regions are cut from
KERNEL, MIDDLE, PROPOSAL_WIDTH, REGION_WIDTH = 15, 64, 256, 2048
BEFORE, AFTER, PROPOSAL_IOU = 1000, 100, 0.7  # proposals before and after suppression


class Unit(nn.Module):
    """1x1, depthwise 3x3, 1x1, 1x1. The first unit of a stage halves the map and appends to it; the others add."""

    def __init__(self, inputs, outputs, first):
        super().__init__()
        middle, self.first = outputs // 4, first
        rest = outputs - inputs if first else outputs
        self.conv1, self.bn1 = nn.Conv2d(inputs, middle, 1, 2 if first else 1, bias=False), nn.BatchNorm2d(middle)
        self.dw = nn.Conv2d(middle, middle, 3, 1, 1, groups=middle, bias=False)
        self.pw, self.bn2 = nn.Conv2d(middle, middle, 1, bias=False), nn.BatchNorm2d(middle)
        self.conv3, self.bn3 = nn.Conv2d(middle, rest, 1, bias=False), nn.BatchNorm2d(rest)

    def forward(self, x):
        new = F.relu(self.bn1(self.conv1(x)), True)
        new = F.relu(self.bn2(self.pw(self.dw(new))), True)
        new = self.bn3(self.conv3(new))
        if self.first:
            return torch.cat((F.avg_pool2d(x, 3, 2, 1), F.relu(new, True)), 1)
        return F.relu(x + new, True)


class Backbone(nn.Module):
    WIDTHS = tuple(outputs for _, outputs, _ in STAGES)

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24)
        inputs = 24
        for name, outputs, units in STAGES:
            rest = [Unit(outputs, outputs, False) for _ in range(units - 1)]
            setattr(self, name, nn.Sequential(Unit(inputs, outputs, True), *rest))
            inputs = outputs
        for module in self.modules():
            if isinstance(module, Unit) and not module.first:
                nn.init.zeros_(module.bn3.weight)  # units that add begin as the identity
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, 0, "fan_in" if module.groups > 1 else "fan_out", "relu")

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), True).float(), 3, 2, 1)  # on a CPU three times as fast as in bf16
        fine = self.stage2(x)
        middle = self.stage3(fine)
        return fine, middle, self.stage4(middle)


class Proposals(nn.Module):
    """A map to margins [N,P] of object over background, and deltas [N,P,4] of the anchors, cell by cell."""

    def __init__(self, inputs):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inputs, PROPOSAL_WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(PROPOSAL_WIDTH)
        self.cls, self.bbox = nn.Conv2d(PROPOSAL_WIDTH, 2 * ANCHORS, 1), nn.Conv2d(PROPOSAL_WIDTH, 4 * ANCHORS, 1)
        for last in (self.cls, self.bbox):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
        self.cls.bias.data[ANCHORS:] = -4.0  # few anchors show an object

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), True)
        margins = self.cls(x).float().unflatten(1, (2, ANCHORS))
        margins = (margins[:, 1] - margins[:, 0]).permute(0, 2, 3, 1).flatten(1)
        deltas = self.bbox(x).float().unflatten(1, (ANCHORS, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
        return margins, deltas


class LightHead(nn.Module):
    """The thin map: a 15x15 convolution as the sum of two paths of a tall and a wide one."""

    def __init__(self, inputs):
        super().__init__()
        tall, wide = ((KERNEL, 1), (KERNEL // 2, 0)), ((1, KERNEL), (0, KERNEL // 2))
        for name, channels, (kernel, padding) in (("col1", (inputs, MIDDLE), tall), ("col2", (MIDDLE, THIN), wide),
                                                  ("row1", (inputs, MIDDLE), wide), ("row2", (MIDDLE, THIN), tall)):
            setattr(self, name, nn.Conv2d(*channels, kernel, 1, padding, bias=False))
            setattr(self, f"{name}_norm", nn.BatchNorm2d(channels[1]))

    def forward(self, x):
        def relu(name, x):
            return F.relu(getattr(self, f"{name}_norm")(getattr(self, name)(x)), True)
        return relu("col2", relu("col1", x)) + relu("row2", relu("row1", x))


class SecondStage(nn.Module):
    """Regions [R,THIN] to scores of background and classes [R,1+C], and deltas [R,8] of background (unused) and objects."""

    def __init__(self, classes):
        super().__init__()
        self.fc, self.cls = nn.Linear(THIN, REGION_WIDTH), nn.Linear(REGION_WIDTH, classes + 1)
        self.bbox = nn.Linear(REGION_WIDTH, 8)
        nn.init.kaiming_normal_(self.fc.weight, nonlinearity="relu")
        for layer, deviation in ((self.cls, 0.01), (self.bbox, 0.001)):
            nn.init.normal_(layer.weight, std=deviation)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x):
        x = F.relu(self.fc(x), True)
        return self.cls(x).float(), self.bbox(x).float()


class LightHeadRCNN(nn.Module):
    """Pictures [N,3,S,S], normalised, to margins and deltas of anchors, and the thin map [N,THIN,H,W]."""

    def __init__(self, classes, roi):
        super().__init__()
        self.roi, self.backbone = OPERATORS[roi], Backbone()
        self.rpn, self.light_head = Proposals(Backbone.WIDTHS[1]), LightHead(Backbone.WIDTHS[2])
        self.rcnn = SecondStage(classes)

    def forward(self, x):
        _, middle, coarse = self.backbone(x)
        return (*self.rpn(middle), self.light_head(coarse))

    def regions(self, thin, boxes):
        """Scores and deltas of regions: boxes is a list of [R,4], one for each picture."""
        with torch.autocast("cpu", enabled=False):
            cut = self.roi(thin.float(), boxes, 1 / THIN_STRIDE)
        return self.rcnn(cut)


def grid_of(side):
    """Anchors of an input of this side."""
    cells = (side + STRIDE - 1) // STRIDE
    return anchors(cells, cells, STRIDE)


@torch.no_grad()
def propose(margins, deltas, side, limits, before, after):
    """
    The best boxes of each picture after suppression, a list of [R,4]. `limits` are width and height of what there is
    of the picture in the input, `before` and `after` bound the number of boxes.
    """
    grid = grid_of(side)
    out = []
    for margin, delta in zip(margins, deltas):
        best = margin.sort(descending=True, stable=True).indices[:before]
        boxes = clipped(decoded(grid[best], delta[best]), *limits)
        out.append(boxes[suppressed(boxes, PROPOSAL_IOU, after)])
    return out


@torch.no_grad()
def detections(network, x, confidence, limits, scale, iou=0.5):
    """
    What spotter finds in the one picture of x [1,3,S,S], which is `scale` times as large there: rows x1, y1, x2, y2 in
    pixels of the picture, score, class; best first.
    """
    margins, deltas, thin = network(x)
    boxes = propose(margins, deltas, x.shape[2], limits, BEFORE, AFTER)
    scores, deltas = network.regions(thin, boxes)
    scores = scores.softmax(1)
    found = clipped(decoded(boxes[0], deltas[:, 4:] * torch.tensor(DEVIATION)), *limits) / scale
    rows = []
    for label in range(1, scores.shape[1]):
        likely = (scores[:, label] > confidence).nonzero()[:, 0]
        likely = likely[scores[likely, label].sort(descending=True, stable=True).indices]
        for i in likely[suppressed(found[likely], iou, len(likely))]:
            rows.append([*found[i].tolist(), float(scores[i, label]), label - 1])
    return sorted(rows, key=lambda row: -row[4])


def normalised(pictures):
    """uint8 [N,S,S,3], B G R, to the network's input, R G B."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - torch.tensor(MEAN)[:, None, None]
    return x.flip(1)
