"""Which cell answers for which code, and what it costs to be wrong.

Task-aligned assignment (Feng et al., "TOOD", 2021): a cell's claim on a code is score^0.5 * IoU^6; the ten best claims
of a code learn it, their score to aim at is the claim, scaled so that the best aims at its IoU. Thus few cells come
to score high on one code, and the score tells how well the box fits. Box and distribution losses are those of Li et
al., "Generalized Focal Loss", 2020.
"""
import torch
import torch.nn.functional as F

from nanodet import BINS, boxes_of

CLAIMS = 10
BOX_WEIGHT, DISTRIBUTION_WEIGHT = 5.0, 1.0


def iou(a, b, generalised=False):
    """Of boxes [...,4] that broadcast; generalised also tells apart boxes that do not meet (Rezatofighi et al., 2019)."""
    width = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    height = (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    common = width * height
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    union = area_a + area_b - common + 1e-7
    if not generalised:
        return common / union
    hull = ((torch.maximum(a[..., 2], b[..., 2]) - torch.minimum(a[..., 0], b[..., 0])) *
            (torch.maximum(a[..., 3], b[..., 3]) - torch.minimum(a[..., 1], b[..., 1]))) + 1e-7
    return common / union - (hull - union) / hull


def may_claim(boxes, centres, strides):
    """[N,G,P]: the centre lies in the box (in a box at least 8 pixels wide and high), whose sides are within reach."""
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    off = (centres - middle[:, :, None]).abs()
    inside = (off < half.clamp(min=4.0)[:, :, None]).all(-1)
    reach = (off + half[:, :, None]).max(-1).values < (BINS - 1) * strides
    return inside & reach


@torch.no_grad()
def assign(scores, boxes, codes, centres, strides):
    """
    scores [N,P,C] and boxes [N,P,4] as predicted, codes [N,G,5] with class -1 where there is none.
    Gives who [N,P], the code that a cell answers for or -1, and aim [N,P], its score to aim at.
    """
    real = codes[..., 4] >= 0
    label = codes[..., 4].clamp(min=0).long()
    overlap = iou(boxes[:, None], codes[:, :, None, :4])
    score = scores.transpose(1, 2).gather(1, label[..., None].expand(-1, -1, scores.shape[1]))
    allowed = may_claim(codes[..., :4], centres, strides) & real[..., None]
    claim = (score.clamp(min=1e-6)**0.5 * overlap.clamp(min=1e-3)**6) * allowed
    best = claim.topk(min(CLAIMS, claim.shape[2]), dim=2)
    chosen = torch.zeros_like(allowed).scatter_(2, best.indices, best.values > 0)
    ranked = torch.where(chosen, overlap + 1e-6, torch.zeros_like(overlap))
    top, who = ranked.max(1)
    who = torch.where(top > 0, who, torch.full_like(who, -1))
    chosen &= F.one_hot(who.clamp(min=0), codes.shape[1]).transpose(1, 2).bool() & (who >= 0)[:, None]
    claim, overlap = claim * chosen, overlap * chosen
    scaled = claim / claim.amax(2, keepdim=True).clamp(min=1e-20) * overlap.amax(2, keepdim=True)
    return who, scaled.amax(1)


def distribution_loss(logits, distances):
    """Cross entropy [n] with the two bins beside each true distance, mean of the four sides."""
    distances = distances.clamp(0, BINS - 1.01)
    low = distances.floor()
    share = distances - low
    log_share = logits.unflatten(-1, (4, BINS)).log_softmax(-1)
    at_low = log_share.gather(2, low.long()[..., None])[..., 0]
    at_high = log_share.gather(2, low.long()[..., None] + 1)[..., 0]
    return -(at_low * (1 - share) + at_high * share).mean(1)


def losses(rows, codes, centres, strides, classes):
    """Rows [N,P,C+4*BINS] and codes [N,G,5] to the losses of class, box and distribution, and the mean IoU."""
    rows = rows.float()
    logits, distributions = rows[..., :classes], rows[..., classes:]
    boxes = boxes_of(distributions, centres, strides)
    who, aim = assign(logits.detach().sigmoid(), boxes.detach(), codes, centres, strides)
    total = aim.sum().clamp(min=1)
    picture, cell = (who >= 0).nonzero(as_tuple=True)
    truth = codes[picture, who[picture, cell]]
    wanted = torch.zeros_like(logits)
    wanted[picture, cell, truth[:, 4].long()] = aim[picture, cell]
    class_loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / total
    weight, found = aim[picture, cell], boxes[picture, cell]
    box_loss = ((1 - iou(found, truth[:, :4], True)) * weight).sum() / total
    centre = centres[cell]
    distances = torch.cat((centre - truth[:, :2], truth[:, 2:4] - centre), 1) / strides[cell][:, None]
    spread = (distribution_loss(distributions[picture, cell], distances) * weight).sum() / total
    fit = (iou(found.detach(), truth[:, :4]) * weight).sum() / total
    return class_loss, BOX_WEIGHT * box_loss, DISTRIBUTION_WEIGHT * spread, fit
