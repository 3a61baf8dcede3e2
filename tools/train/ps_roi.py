"""Position-sensitive pooling of regions: bin (p, q) of a region reads channels of its own of a thin map.

Both operators take a mean over a rectangle of cells, weighted along each axis, so a bin is one product
rows [R,H] x map [H,W] x columns [R,W]; written as one batched matrix product of all bins it is fast on a CPU, maps being
small, and its backward pass is exact. core/ops/ps_roi_align.c (average) and ps_roi_pool.c compute the same.
"""
import torch

BINS, DEPTH, SAMPLES = 7, 10, 2
THIN = DEPTH * BINS * BINS


def align_weights(low, high, limit):
    """[R,BINS,limit]: what each bin of low..high [R], in cells, takes from each cell: two samples, bilinear."""
    start = low[:, None, None]
    size = (high - low).clamp(min=0)[:, None, None] / BINS
    bins, samples = torch.arange(float(BINS))[:, None], (torch.arange(float(SAMPLES)) + 0.5) / SAMPLES
    at = (start + size * (bins + samples)).clamp(0, limit - 1)
    return (1 - (at[..., None] - torch.arange(float(limit))).abs()).clamp(min=0).mean(2)


def pool_weights(low, high, limit):
    """The same for pooling: every cell that the bin touches, alike; a bin without cells gives 0."""
    size = (high - low).clamp(min=0.1) / BINS
    bins = torch.arange(float(BINS))
    first = (bins * size[:, None] + low[:, None]).floor().clamp(0, limit)
    last = ((bins + 1) * size[:, None] + low[:, None]).ceil().clamp(0, limit)
    cells = torch.arange(float(limit))
    inside = ((cells >= first[..., None]) & (cells < last[..., None])).float()
    return inside / (last - first).clamp(min=1)[..., None]


def cut(thin, rows, columns):
    """One picture's thin [THIN,H,W] to [R,THIN] by weights [R,BINS,H] and [R,BINS,W]."""
    height, width = thin.shape[1:]
    weights = (rows.transpose(0, 1)[:, None, :, :, None] * columns.transpose(0, 1)[None, :, :, None]).flatten(0, 1)
    cells = thin.view(DEPTH, BINS * BINS, height * width).permute(1, 2, 0)
    return torch.bmm(weights.flatten(2), cells).permute(1, 2, 0).flatten(1)


def aligned(thin, boxes, scale):
    """Regions [sum of R,THIN] of thin [N,THIN,H,W], as ps_roi_align; boxes is a list of N [R,4] in pixels."""
    out = []
    for picture, regions in zip(thin, boxes):
        x1, y1, x2, y2 = (regions * scale).unbind(1)
        out.append(cut(picture, align_weights(y1, y2, thin.shape[2]), align_weights(x1, x2, thin.shape[3])))
    return torch.cat(out)


def pooled(thin, boxes, scale):
    """The same as ps_roi_pool."""
    out = []
    for picture, regions in zip(thin, boxes):
        whole = regions.sign() * (regions.abs() + 0.5).floor()
        x1, y1, x2, y2 = whole.unbind(1)
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        out.append(cut(picture, pool_weights(y1, y2, thin.shape[2]), pool_weights(x1, x2, thin.shape[3])))
    return torch.cat(out)


OPERATORS = {"align": aligned, "pool": pooled}
