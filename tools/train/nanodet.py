"""NanoDet-m for training: ShuffleNetV2 1.0x, a neck of additions and resizes, depthwise heads; models/nanodet.c is the
same network. Tensor names are upstream's."""
import torch
import torch.nn as nn
import torch.nn.functional as F

STRIDES = (8, 16, 32)
BINS = 8  # a side's distribution is over 0, 1, …, 7 strides
WIDTH = 96
MEAN, DEVIATION = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # B, G, R


def conv_bn(inputs, outputs, kernel=1, stride=1, groups=1, activation=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return layers + [nn.LeakyReLU(0.1, True)] if activation else layers


class Shuffle(torch.autograd.Function):
    """Two maps of a unit, concatenated, shuffled and split again for the next one, which wants halves that lie in one
    piece: views of one map would make every operator after it, and its gradient, walk with gaps."""

    @staticmethod
    def forward(_, left, right):
        n, c, h, w = left.shape
        out = left.new_empty(2, n, h, w, c // 2, 2)
        for i, part in enumerate((left, right)):
            out[..., i] = part.permute(0, 2, 3, 1).unflatten(3, (2, c // 2)).permute(3, 0, 1, 2, 4)
        first, second = out.flatten(4).permute(0, 1, 4, 2, 3)
        return first, second

    @staticmethod
    def backward(_, *gradients):
        n, c, h, w = gradients[0].shape
        out = gradients[0].new_empty(2, n, h, w, 2, c // 2)
        for i, part in enumerate(gradients):
            out[..., i, :] = part.permute(0, 2, 3, 1).unflatten(3, (c // 2, 2)).permute(4, 0, 1, 2, 3)
        left, right = out.flatten(4).permute(0, 1, 4, 2, 3)
        return left, right


class Unit(nn.Module):
    """A unit of ShuffleNetV2, to the halves of its output; with stride 2 both branches see all channels, else each one half."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half, self.stride = outputs // 2, stride
        if stride == 2:
            self.branch1 = nn.Sequential(*conv_bn(inputs, inputs, 3, 2, inputs, False), *conv_bn(inputs, half))
        self.branch2 = nn.Sequential(*conv_bn(inputs if stride == 2 else half, half),
                                     *conv_bn(half, half, 3, stride, half, False), *conv_bn(half, half))

    def forward(self, x):
        if self.stride == 2:
            return Shuffle.apply(self.branch1(x), self.branch2(x))
        left, right = x
        return Shuffle.apply(left, self.branch2(right))


class Backbone(nn.Module):
    WIDTHS = (116, 232, 464)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Sequential(*conv_bn(3, 24, 3, 2))
        inputs = 24
        for name, outputs, units in (("stage2", 116, 4), ("stage3", 232, 8), ("stage4", 464, 4)):
            rest = [Unit(outputs, outputs, 1) for _ in range(units - 1)]
            setattr(self, name, nn.Sequential(Unit(inputs, outputs, 2), *rest))
            inputs = outputs

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).float(), 3, 2, 1)  # on a CPU three times as fast as in bf16
        fine = torch.cat(self.stage2(x), 1)
        middle = torch.cat(self.stage3(fine), 1)
        return fine, middle, torch.cat(self.stage4(middle), 1)


class Lateral(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, WIDTH, 1)

    def forward(self, x):
        return self.conv(x)


def doubled(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.lateral_convs = nn.ModuleList([Lateral(inputs) for inputs in Backbone.WIDTHS])

    def forward(self, maps):
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.lateral_convs, maps))
        middle = middle + doubled(coarse)
        fine = fine + doubled(middle)
        middle = middle + F.avg_pool2d(fine, 2)  # what a bilinear resize to half the side is
        return fine, middle, coarse + F.avg_pool2d(middle, 2)


class Layer(nn.Module):
    """A depthwise and a pointwise convolution of a head."""

    def __init__(self):
        super().__init__()
        self.depthwise = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, groups=WIDTH, bias=False)
        self.dwnorm = nn.BatchNorm2d(WIDTH)
        self.pointwise = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        self.pwnorm = nn.BatchNorm2d(WIDTH)

    def forward(self, x):
        x = F.leaky_relu(self.dwnorm(self.depthwise(x)), 0.1, True)
        return F.leaky_relu(self.pwnorm(self.pointwise(x)), 0.1, True)


class Head(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.cls_convs = nn.ModuleList([nn.Sequential(Layer(), Layer()) for _ in STRIDES])
        self.gfl_cls = nn.ModuleList([nn.Conv2d(WIDTH, classes + 4 * BINS, 1) for _ in STRIDES])
        for last in self.gfl_cls:
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
            last.bias.data[:classes] = -4.6  # every class at 1 %

    def forward(self, maps):
        rows = [last(layers(x)).flatten(2) for layers, last, x in zip(self.cls_convs, self.gfl_cls, maps)]
        return torch.cat(rows, 2).transpose(1, 2)


class NanoDet(nn.Module):
    """Pictures [N,3,S,S], normalised, to rows [N,P,classes + 4 * BINS] of all cells, level by level."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.backbone, self.fpn, self.head = Backbone(), Neck(), Head(classes)
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d) and "gfl_cls" not in name:
                fan = "fan_out" if module.groups == 1 else "fan_in"
                nn.init.kaiming_normal_(module.weight, 0.1, fan, "leaky_relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.head(self.fpn(self.backbone(x)))


def cells(side):
    """Centres [P,2] and strides [P] of all cells of a square input, in the order of the rows."""
    centres, strides = [], []
    for stride in STRIDES:
        n = side // stride
        y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
        centres.append(torch.stack(((x + 0.5) * stride, (y + 0.5) * stride), 2).reshape(-1, 2))
        strides.append(torch.full((n * n,), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def boxes_of(distributions, centres, strides):
    """Logits [...,4*BINS] of left, top, right, bottom to boxes [...,4] in pixels of the input."""
    shares = distributions.float().unflatten(-1, (4, BINS)).softmax(-1)
    distances = (shares @ torch.arange(BINS, dtype=torch.float32)) * strides[..., None]
    return torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), -1)


def normalised(pictures):
    """uint8 [N,S,S,3], B G R, to the network's input."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
