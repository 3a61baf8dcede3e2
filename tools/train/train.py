#!/usr/bin/python3
"""Trains a detector on the shards of generate.py, on the CPU; can be stopped at any time and goes on where it was.

Everything follows the share of --steps that is done: the input side (--sides), the learning rate (warm-up, constant,
then a cosine to zero from --decay-from). Started again with the same RUN folder, it resumes; with other --steps it
resumes on that longer or shorter plan.

RUN holds  settings.json  arguments, versions, digest of the start    checkpoint.pt  all that resuming needs
           log.csv        losses and speed every 25 steps             model.safetensors  moving average, for spotter
"""
import argparse
import copy
import csv
import hashlib
import json
import math
import os
import pathlib
import platform
import signal
import time

import cv2
import numpy as np
import torch
import torch.distributed as distributed

from codes import CLASSES
from detectors import DETECTORS
from shards import Loader, Shards
from weights import drop_norms, folded, unfold, write_safetensors

LOG_EVERY = 25
WARM_UP = 100
AVERAGE = 0.998
FIELDS_BEFORE, FIELDS_AFTER = ("step", "seen", "seconds", "side", "rate"), ("per_second",)


def sides(text):
    """"192:0.5,320:1" as [(192, 0.5), (320, 1.0)]."""
    return [(int(side), float(share)) for side, share in (part.split(":") for part in text.split(","))]


def learning_rate(step, args):
    share = step / args.steps
    decay = 0 if share < args.decay_from else (share - args.decay_from) / (1 - args.decay_from)
    return args.rate * min(1, (step + 1) / WARM_UP) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1, decay))))


def side_at(step, args):
    return next((side for side, share in args.sides if step / args.steps < share), args.sides[-1][0])


class Trainer:
    """One of args.processes that average their gradients; the first of them writes."""

    def __init__(self, args, rank):
        self.args, self.rank = args, rank
        torch.manual_seed(args.seed)
        self.detector = DETECTORS[args.detector]
        self.network = self.detector.network().to(memory_format=torch.channels_last)
        if args.without_norms:
            drop_norms(self.network)
        self.step = self.seen = 0
        self.seconds = 0.0
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim == 1]
        self.optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": args.weight_decay},
                                            {"params": vectors, "weight_decay": 0}], lr=args.rate)
        saved = torch.load(args.run / "checkpoint.pt") if (args.run / "checkpoint.pt").exists() else None
        self.step = saved["step"] if saved else 0
        seed = args.seed + 1000003 * self.step + 7919 * rank
        self.loader = Loader(Shards(args.data), args.batch, side_at(self.step, args), self.detector.letterbox, seed)
        if saved:
            self.resume(saved)
        else:
            self.begin()

    def begin(self):
        start = self.args.init
        if start and start.suffix == ".pt":
            self.network.load_state_dict(torch.load(start)["average"])
        elif start:
            unfold(self.network, start, [self.detector.normalised(self.loader.batches.get()[1]) for _ in range(8)])
        self.average = copy.deepcopy(self.network)

    def resume(self, saved):
        self.network.load_state_dict(saved["network"])
        self.average = copy.deepcopy(self.network)
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.seen, self.seconds = saved["seen"], saved["seconds"]

    def save(self):
        out = self.args.run / "checkpoint.partial"
        torch.save({"network": self.network.state_dict(), "average": self.average.state_dict(),
                    "optimizer": self.optimizer.state_dict(), "step": self.step, "seen": self.seen,
                    "seconds": self.seconds}, out)
        os.replace(out, self.args.run / "checkpoint.pt")
        side = self.args.sides[-1][0]
        metadata = {"classes": "\n".join(CLASSES), "task": "detect", "input": str(side), **self.detector.metadata(side)}
        write_safetensors(self.args.run / "model.safetensors", folded(self.average), metadata)

    def share_gradients(self):
        if self.args.processes == 1:
            return
        gradients = [p.grad for p in self.network.parameters()]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.args.processes
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def follow(self):
        """The moving average; its window grows with the steps so far."""
        keep = min(AVERAGE, (self.step + 1) / (self.step + 10))
        mine, theirs = list(self.average.parameters()), list(self.network.parameters())
        torch._foreach_mul_(mine, keep)
        torch._foreach_add_(mine, theirs, alpha=1 - keep)
        for mine, theirs in zip(self.average.buffers(), self.network.buffers()):
            if mine.dtype.is_floating_point:
                mine.mul_(keep).add_(theirs, alpha=1 - keep)

    def train_step(self):
        self.loader.side = side_at(self.step, self.args)
        side, pictures, codes = self.loader.batches.get()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.args)
        x = self.detector.normalised(pictures).contiguous(memory_format=torch.channels_last)
        parts = self.detector.losses(self.network, x, torch.from_numpy(codes))
        loss = sum(parts[:self.detector.n_losses])
        if not torch.isfinite(loss):
            raise SystemExit(f"train.py: the loss of step {self.step} is {float(loss)}; the last checkpoint is from before it: "
                             "go on from there with a smaller --rate")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.share_gradients()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.step += 1
        self.seen += len(pictures) * self.args.processes
        if self.rank == 0:
            self.follow()
        return side, np.array([float(part) for part in parts])

    def stop_asked(self, stop):
        """Agreed on by all processes, so that none waits for the gradients of one that has left."""
        if self.args.processes == 1:
            return bool(stop)
        flag = torch.tensor([float(bool(stop))])
        distributed.all_reduce(flag)
        return flag.item() > 0

    def run(self):
        stop = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.append(True))
        log, mean, since = None, [], time.time()
        if self.rank == 0:
            log = csv.writer(open(self.args.run / "log.csv", "a", buffering=1))
            if self.step == 0:
                log.writerow([*FIELDS_BEFORE, *self.detector.figures, *FIELDS_AFTER])
        while self.step < self.args.steps and not self.stop_asked(stop):
            side, parts = self.train_step()
            if log:
                mean.append(parts)
            if self.step % LOG_EVERY == 0 and log:
                spent, since = time.time() - since, time.time()
                self.seconds += spent
                values = np.mean(mean, 0)
                row = [self.step, self.seen, round(self.seconds), side, f"{learning_rate(self.step, self.args):.6f}",
                       *(f"{v:.4f}" for v in values), f"{len(mean) * self.args.batch * self.args.processes / spent:.1f}"]
                log.writerow(row)
                mean = []
            if self.step % self.args.save_every == 0 and self.rank == 0:
                self.save()
        if self.rank == 0:
            self.save()


def work(rank, args):
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    if args.processes > 1:
        distributed.init_process_group("gloo", init_method=f"file://{args.run.resolve()}/rendezvous", rank=rank,
                                       world_size=args.processes)
    Trainer(args, rank).run()


def record(args):
    """Appends this start to settings.json."""
    path = args.run / "settings.json"
    starts = json.loads(path.read_text()) if path.exists() else []
    starts.append({"arguments": {name: str(value) for name, value in vars(args).items()},
                   "init sha256": hashlib.sha256(args.init.read_bytes()).hexdigest() if args.init else None,
                   "versions": {"python": platform.python_version(), "torch": torch.__version__,
                                "opencv": cv2.__version__, "numpy": np.__version__},
                   "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    path.write_text(json.dumps(starts, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--detector", choices=DETECTORS, default="nanodet-m")
    parser.add_argument("--init", type=pathlib.Path, help="of warm_up.py or another run (.pt), or an exported model")
    parser.add_argument("--steps", type=int, default=40000)
    parser.add_argument("--sides", type=sides, default=sides("192:0.4,256:0.75,320:1"), help="input side up to a share")
    parser.add_argument("--without-norms", action="store_true",
                        help="batch norms stay folded into the convolutions: faster, to end the training of an exported model")
    parser.add_argument("--decay-from", type=float, default=0.5, help="share where the learning rate starts to fall")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--batch", type=int, default=16, help="pictures a process")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--save-every", type=int, default=50, help="steps")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    (args.run / "rendezvous").unlink(missing_ok=True)
    record(args)
    context = torch.multiprocessing.spawn(work, (args,), args.processes, join=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: [os.kill(pid, number) for pid in context.pids()])
    while not context.join():
        pass


if __name__ == "__main__":
    main()
