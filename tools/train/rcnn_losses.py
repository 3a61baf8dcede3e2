"""What the two stages of Light-Head R-CNN are to answer, and what it costs to be wrong.

First stage: an anchor that overlaps a code enough, or best of all, is to propose it; background is learned from the anchors
that err most, three for each that proposes (Liu et al., "SSD", 2016). Second stage: regions are proposals, the codes
and shaken copies of them, so that it has something to learn from while there are no good proposals yet; the half of the
regions that errs most is learned from (Shrivastava et al., "OHEM", 2016, as the paper does).
"""
import torch
import torch.nn.functional as F

from light_head_rcnn import grid_of, propose
from regions import DEVIATION, encoded, overlaps

FIGURES = ("rpn_class", "rpn_box", "class", "box", "recall", "right")
OBJECT, BACKGROUND = 0.5, 0.3  # IoU at least, and less than; between them an anchor learns nothing
NEGATIVES, NEGATIVES_LEAST = 3, 8  # to one positive anchor, and to one picture
BEFORE, AFTER = 500, 150  # proposals before and after suppression
SHAKEN, SHAKE = 6, 0.2
REGIONS, OBJECTS = 64, 20  # of one picture, at most
HARD = 0.5
RPN_BETA = 1 / 9


def answers(grid, boxes):
    """[P]: the box [G,4] that an anchor is to propose, -1 for none, -2 where it does not matter."""
    which = torch.full((len(grid),), -1)
    if len(boxes) == 0:
        return which
    iou = overlaps(grid, boxes)
    best, nearest = iou.max(1)
    which[best >= BACKGROUND] = -2
    which = torch.where(best >= OBJECT, nearest, which)
    which[iou.argmax(0)] = torch.arange(len(boxes))
    return which


def first_stage(margins, deltas, grid, codes):
    """Class and box loss of margins [N,P] and deltas [N,P,4]; codes is a list of [G,5]."""
    which = torch.stack([answers(grid, boxes[:, :4]) for boxes in codes])
    objects = which >= 0
    loss = F.binary_cross_entropy_with_logits(margins, objects.float(), reduction="none")
    background = loss[which == -1]
    most = max(NEGATIVES * int(objects.sum()), NEGATIVES_LEAST * len(codes))
    negatives = background.topk(min(most, len(background))).values
    positives = loss[objects]
    picture, anchor = objects.nonzero(as_tuple=True)
    if len(picture) == 0:
        return negatives.mean(), deltas.sum() * 0
    targets = torch.stack([codes[n][which[n, p], :4] for n, p in zip(picture.tolist(), anchor.tolist())])
    wanted = encoded(grid[anchor], targets)
    box = F.smooth_l1_loss(deltas[picture, anchor], wanted, beta=RPN_BETA, reduction="none").sum(1).mean()
    return torch.cat((positives, negatives)).mean(), box


def shaken(boxes):
    """SHAKEN copies of each box, moved and stretched."""
    boxes = boxes.repeat(SHAKEN, 1)
    size = (boxes[:, 2:] - boxes[:, :2] + 1).repeat(1, 2)
    return boxes + torch.empty(len(boxes), 4).uniform_(-SHAKE, SHAKE) * size


def draw(proposals, codes):
    """Regions [R,4] of one picture, and of each the code it shows or -1."""
    boxes = torch.cat((proposals, codes[:, :4], shaken(codes[:, :4])))
    if len(codes) == 0:
        boxes = boxes[torch.randperm(len(boxes))[:REGIONS]]
        return boxes, torch.full((len(boxes),), -1)
    best, nearest = overlaps(boxes, codes[:, :4]).max(1)
    order = torch.randperm(len(boxes))
    shows = best[order] >= OBJECT
    objects = order[shows][:OBJECTS]
    rest = order[~shows][:REGIONS - len(objects)]
    return boxes[torch.cat((objects, rest))], torch.cat((nearest[objects], torch.full((len(rest),), -1)))


def second_stage(scores, deltas, boxes, which, codes):
    """Class and box loss of regions, and the share of those on codes whose class is right; lists have one entry a picture."""
    label = torch.cat([torch.where(of >= 0, F.pad(found[:, 4], (0, 1))[of] + 1, torch.zeros(()))
                       for of, found in zip(which, codes)]).long()
    loss = F.cross_entropy(scores, label, reduction="none")
    class_loss = loss.topk(max(1, int(HARD * len(loss)))).values.mean()
    objects = label > 0
    if not objects.any():
        return class_loss, deltas.sum() * 0, torch.ones(())
    targets = torch.cat([found[of[of >= 0], :4] for of, found in zip(which, codes)])
    wanted = encoded(torch.cat(boxes)[objects], targets) / torch.tensor(DEVIATION)
    box_loss = F.smooth_l1_loss(deltas[objects, 4:], wanted, reduction="none").sum(1).mean()
    return class_loss, box_loss, (scores[objects].argmax(1) == label[objects]).float().mean()


def recall(proposals, codes):
    """Share of the codes that some proposal covers with an IoU of 0.5."""
    found = [overlaps(boxes, picture[:, :4]).amax(0) >= 0.5 for boxes, picture in zip(proposals, codes) if len(picture)]
    return torch.cat(found).float().mean() if found else torch.ones(())


def losses(network, x, codes):
    """x [N,3,S,S] and codes [N,G,5], class -1 where there is none, to the figures of FIGURES."""
    side = x.shape[2]
    codes = [rows[rows[:, 4] >= 0] for rows in codes]
    with torch.autocast("cpu", torch.bfloat16):
        margins, deltas, thin = network(x)
    first = first_stage(margins, deltas, grid_of(side), codes)
    proposals = propose(margins, deltas, side, (side, side), BEFORE, AFTER)
    boxes, which = zip(*(draw(*pair) for pair in zip(proposals, codes)))
    with torch.autocast("cpu", torch.bfloat16):
        scores, moves = network.regions(thin, boxes)
    *second, right = second_stage(scores, moves, boxes, which, codes)
    return (*first, *second, recall(proposals, codes), right)
