"""NanoDet and NanoDet-Plus in PyTorch, written from their papers and configuration files and
independent of the C code. Attributes are named so that state dicts have upstream's names.
"""

import torch
import torch.nn.functional as F
from torch import nn


def leaky():
    return nn.LeakyReLU(0.1)


class Conv(nn.Module):
    """k x k convolution, batch norm, activation."""

    def __init__(self, inp, out, kernel, stride=1, activation=leaky):
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)
        self.act = activation()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Separable(nn.Module):
    """Depthwise, then 1x1, each with batch norm and activation."""

    def __init__(self, inp, out, kernel, stride=1, activation=leaky):
        super().__init__()
        self.depthwise = nn.Conv2d(inp, inp, kernel, stride, kernel // 2, groups=inp, bias=False)
        self.dwnorm = nn.BatchNorm2d(inp)
        self.pointwise = nn.Conv2d(inp, out, 1, bias=False)
        self.pwnorm = nn.BatchNorm2d(out)
        self.act = activation()

    def forward(self, x):
        x = self.act(self.dwnorm(self.depthwise(x)))
        return self.act(self.pwnorm(self.pointwise(x)))


# ---- backbones ----


class ShuffleUnit(nn.Module):
    def __init__(self, inp, out, stride):
        super().__init__()
        half = out // 2
        self.stride = stride
        if stride == 2:
            self.branch1 = nn.Sequential(
                nn.Conv2d(inp, inp, 3, 2, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False),
                nn.BatchNorm2d(half),
                leaky(),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride == 2 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            leaky(),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            leaky(),
        )

    def forward(self, x):
        if self.stride == 2:
            left, right = self.branch1(x), self.branch2(x)
        else:
            left, right = x.chunk(2, dim=1)
            right = self.branch2(right)
        return torch.stack((left, right), dim=2).flatten(1, 2)  # interleaved


class ShuffleNetV2(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), leaky()
        )
        inp = 24
        for stage, (out, units) in enumerate(zip(channels, (4, 8, 4)), 2):
            layers = [
                ShuffleUnit(inp if i == 0 else out, out, 2 if i == 0 else 1) for i in range(units)
            ]
            setattr(self, f"stage{stage}", nn.Sequential(*layers))
            inp = out

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 3, 2, 1)
        out = []
        for stage in (self.stage2, self.stage3, self.stage4):
            x = stage(x)
            out.append(x)
        return out


class TinyRes(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.in_conv = Conv(channels, channels // 2, 3)
        self.mid_conv = Conv(channels // 2, channels // 2, 3)

    def forward(self, x):
        x = self.in_conv(x)
        return torch.cat((self.mid_conv(x), x), 1)


class CspBlock(nn.Module):
    def __init__(self, channels, residuals, stride):
        super().__init__()
        self.in_conv = Conv(channels, channels, 3, stride)
        self.res_blocks = nn.Sequential(*(TinyRes(channels) for _ in range(residuals)))
        self.res_out_conv = Conv(channels, channels, 3)

    def forward(self, x):
        x = self.in_conv(x)
        return torch.cat((self.res_out_conv(self.res_blocks(x)), x), 1)


class CspNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            [
                Conv(3, 32, 3, 2),
                nn.MaxPool2d(3, 2, 1),
                CspBlock(32, 1, 1),
                CspBlock(64, 2, 2),
                CspBlock(128, 2, 2),
                CspBlock(256, 3, 2),
            ]
        )

    def forward(self, x):
        out = []
        for stage in self.stages:
            x = stage(x)
            out.append(x)
        return out[3:]


class MBConv(nn.Module):
    def __init__(self, inp, out, kernel, stride, expand):
        super().__init__()
        wide = inp * expand
        if expand > 1:
            self._expand_conv = nn.Conv2d(inp, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(
            wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False
        )
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(out, eps=1e-3)
        self.skips = stride == 1 and inp == out

    def forward(self, x):
        y = x
        if hasattr(self, "_bn0"):
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skips else y


# Channels and repeats of the stages, written out, not scaled.
LITE = {
    0: ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    1: ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    2: ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}


class EfficientNetLite(nn.Module):
    def __init__(self, number):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32, eps=1e-3), nn.ReLU6()
        )
        self.blocks = nn.ModuleList()
        inp = 32
        shape = zip(*LITE[number], (3, 3, 5, 3, 5, 5, 3), (1, 2, 2, 2, 1, 2, 1))
        for stage, (out, repeats, kernel, stride) in enumerate(shape):
            expand = 1 if stage == 0 else 6
            stage = [MBConv(inp, out, kernel, stride, expand)]
            stage += [MBConv(out, out, kernel, 1, expand) for _ in range(repeats - 1)]
            self.blocks.append(nn.ModuleList(stage))
            inp = out

    def forward(self, x):
        x = self.stem(x)
        out = []
        for stage in self.blocks:
            for block in stage:
                x = block(x)
            out.append(x)
        return [out[2], out[4], out[6]]


class RepVggBlock(nn.Module):
    """The form of training: 3x3, 1x1 and, where shapes allow, identity, summed."""

    def __init__(self, inp, out, stride):
        super().__init__()
        self.rbr_dense = nn.Sequential(
            nn.Conv2d(inp, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        )
        self.rbr_1x1 = nn.Sequential(
            nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out)
        )
        self.rbr_identity = nn.BatchNorm2d(inp) if inp == out and stride == 1 else None

    def forward(self, x):
        y = self.rbr_dense(x) + self.rbr_1x1(x)
        return F.relu(y if self.rbr_identity is None else y + self.rbr_identity(x))


class RepVggA0(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage0 = RepVggBlock(3, 48, 2)
        inp = 48
        for stage, (out, layers) in enumerate(((48, 2), (96, 4), (192, 14), (512, 1)), 1):
            blocks = [
                RepVggBlock(inp if i == 0 else out, out, 2 if i == 0 else 1) for i in range(layers)
            ]
            setattr(self, f"stage{stage}", nn.Sequential(*blocks))
            inp = out

    def forward(self, x):
        x = self.stage1(self.stage0(x))
        a = self.stage2(x)
        b = self.stage3(a)
        return [a, b, self.stage4(b)]


# ---- necks ----


def resized(x, scale):
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


class Lateral(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.conv = nn.Conv2d(inp, out, 1)

    def forward(self, x):
        return self.conv(x)


class Pan(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.lateral_convs = nn.ModuleList(Lateral(c, width) for c in channels)

    def forward(self, maps):
        l3, l4, l5 = (conv(x) for conv, x in zip(self.lateral_convs, maps))
        t4 = l4 + resized(l5, 2)
        p3 = l3 + resized(t4, 2)
        p4 = t4 + resized(p3, 0.5)
        return [p3, p4, l5 + resized(p4, 0.5)]


class GhostModule(nn.Module):
    def __init__(self, inp, out, activation):
        super().__init__()
        half = out // 2
        self.primary_conv = nn.Sequential(
            nn.Conv2d(inp, half, 1, bias=False), nn.BatchNorm2d(half), activation()
        )
        self.cheap_operation = nn.Sequential(
            nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            activation(),
        )

    def forward(self, x):
        x = self.primary_conv(x)
        return torch.cat((x, self.cheap_operation(x)), 1)


class GhostBottleneck(nn.Module):
    def __init__(self, inp, out):
        super().__init__()
        self.ghost1 = GhostModule(inp, out, leaky)
        self.ghost2 = GhostModule(out, out, nn.Identity)
        self.shortcut = nn.Sequential(
            nn.Conv2d(inp, inp, 5, 1, 2, groups=inp, bias=False),
            nn.BatchNorm2d(inp),
            nn.Conv2d(inp, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x):
        return self.ghost2(self.ghost1(x)) + self.shortcut(x)


class GhostBlocks(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.blocks = nn.Sequential(GhostBottleneck(2 * width, width))

    def forward(self, x):
        return self.blocks(x)


class GhostPan(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.reduce_layers = nn.ModuleList(Conv(c, width, 1) for c in channels)
        self.top_down_blocks = nn.ModuleList(GhostBlocks(width) for _ in range(2))
        self.downsamples = nn.ModuleList(Separable(width, width, 5, 2) for _ in range(2))
        self.bottom_up_blocks = nn.ModuleList(GhostBlocks(width) for _ in range(2))
        self.extra_lvl_in_conv = nn.ModuleList([Separable(width, width, 5, 2)])
        self.extra_lvl_out_conv = nn.ModuleList([Separable(width, width, 5, 2)])

    def forward(self, maps):
        c3, c4, c5 = (reduce(x) for reduce, x in zip(self.reduce_layers, maps))
        t4 = self.top_down_blocks[0](torch.cat((resized(c5, 2), c4), 1))
        p3 = self.top_down_blocks[1](torch.cat((resized(t4, 2), c3), 1))
        p4 = self.bottom_up_blocks[0](torch.cat((self.downsamples[0](p3), t4), 1))
        p5 = self.bottom_up_blocks[1](torch.cat((self.downsamples[1](p4), c5), 1))
        p6 = self.extra_lvl_in_conv[0](c5) + self.extra_lvl_out_conv[0](p5)
        return [p3, p4, p5, p6]


# ---- heads and whole models ----


class Head(nn.Module):
    """Also has what upstream's state dict holds but detection does not use."""

    def __init__(self, levels, width, layers, layer, reg_max, classes):
        super().__init__()
        self.cls_convs = nn.ModuleList(
            nn.ModuleList(layer(width, width) for _ in range(layers)) for _ in range(levels)
        )
        outputs = classes + 4 * (reg_max + 1)
        self.gfl_cls = nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in range(levels))
        self.gfl_reg = nn.ModuleList(nn.Conv2d(width, 4 * (reg_max + 1), 1) for _ in range(levels))
        self.register_buffer("project", torch.arange(reg_max + 1.0))

    def forward(self, maps):
        out = []
        for x, convs, last in zip(maps, self.cls_convs, self.gfl_cls):
            for conv in convs:
                x = conv(x)
            out.append(last(x))
        return out


class NanoDet(nn.Module):
    def __init__(self, backbone, fpn, head):
        super().__init__()
        self.backbone, self.fpn, self.head = backbone, fpn, head

    def forward(self, x):
        return self.head(self.fpn(self.backbone(x)))


def _separable(kernel, activation=leaky):
    return lambda inp, out: Separable(inp, out, kernel, 1, activation)


def _dense(activation=leaky):
    return lambda inp, out: Conv(inp, out, 3, 1, activation)


def _shuffle(channels, width, classes):
    return NanoDet(
        ShuffleNetV2(channels), Pan(channels, width), Head(3, width, 2, _separable(3), 7, classes)
    )


def _plus(channels, width, classes):
    return NanoDet(
        ShuffleNetV2(channels),
        GhostPan(channels, width),
        Head(4, width, 2, _separable(5), 7, classes),
    )


def _lite(number, width, layers, reg_max, classes):
    channels = [LITE[number][0][stage] for stage in (2, 4, 6)]
    head = Head(3, width, layers, _separable(3, nn.ReLU6), reg_max, classes)
    return NanoDet(EfficientNetLite(number), Pan(channels, width), head)


MODELS = {
    "nanodet-m-0.5x": lambda classes: _shuffle((48, 96, 192), 96, classes),
    "nanodet-m": lambda classes: _shuffle((116, 232, 464), 96, classes),
    "nanodet-m-1.5x": lambda classes: _shuffle((176, 352, 704), 128, classes),
    "nanodet-g": lambda classes: NanoDet(
        CspNet(), Pan((128, 256, 512), 128), Head(3, 128, 1, _dense(), 10, classes)
    ),
    "nanodet-efficientnet-lite0": lambda classes: _lite(0, 96, 2, 7, classes),
    "nanodet-efficientnet-lite1": lambda classes: _lite(1, 128, 3, 10, classes),
    "nanodet-efficientnet-lite2": lambda classes: _lite(2, 128, 4, 10, classes),
    "nanodet-repvgg-a0": lambda classes: NanoDet(
        RepVggA0(), Pan((96, 192, 512), 128), Head(3, 128, 2, _dense(nn.ReLU), 10, classes)
    ),
    "nanodet-plus-m": lambda classes: _plus((116, 232, 464), 96, classes),
    "nanodet-plus-m-1.5x": lambda classes: _plus((176, 352, 704), 128, classes),
}


def make(name, classes=80, seed=1):
    """A model in evaluation mode whose every number is random, its statistics included."""
    torch.manual_seed(seed)
    model = MODELS[name](classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.normal_(module.bias, 0, 0.2)
            nn.init.normal_(module.running_mean, 0, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    for module in model.modules():  # three branches are summed: keep the signal's size
        if isinstance(module, RepVggBlock):
            for norm in (module.rbr_dense[1], module.rbr_1x1[1], module.rbr_identity):
                if norm is not None:
                    norm.weight.data *= 0.5
    return model.eval()
