"""What docs/benchmarks/score_speed.py is compared with, in PyTorch: networks, loss, Adam, average, and sampler.

    python docs/benchmarks/score_speed_torch.py JOB VARIANT PROBLEM.npz       # started by score_speed.py

It says how far its posterior mean is from the one in PROBLEM.npz, then does its work once for every line it reads and
answers with the CPU time. It needs torch and numpy, and nothing of matterlearn.
"""

import json
import math
import sys
import time

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

FREQUENCIES = torch.tensor([0.25, 0.5, 1.0, 2.0])


def embed(level):
    phases = FREQUENCIES * level[:, None]
    return torch.cat([0.25 * level[:, None], phases.sin(), phases.cos()], 1)


class Perceptron(nn.Module):
    """Layers that see all entries, and the noise level beside them."""

    def __init__(self, take):
        super().__init__()
        layers = []
        while take.leaves:
            layers += [linear(take()), nn.SiLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x, level):
        return self.layers(torch.cat([x, embed(level)], 1))


class Block(nn.Module):
    """Two convolutions around the noise level, and what came in."""

    def __init__(self, take):
        super().__init__()
        self.first, self.second = stencil(take()), stencil(take())
        self.shift, self.across = linear(take()), pointwise(take())

    def forward(self, x, features):
        h = functional.silu(self.first(x) + self.shift(features)[:, :, None, None])
        return self.across(x) + self.second(h)


class UNet(nn.Module):
    """Blocks on coarser and coarser lattices and back, each scale joined to itself."""

    def __init__(self, take, depth):
        super().__init__()
        self.down = nn.ModuleList(Block(take) for _ in range(depth))
        self.up = nn.ModuleList(Block(take) for _ in range(depth - 1))
        self.last = stencil(take())

    def forward(self, x, level):
        side = math.isqrt(x.shape[1])
        features, h, kept = embed(level), x.view(-1, 1, side, side), []
        for number, each in enumerate(self.down):
            h = each(functional.avg_pool2d(h, 2) if number else h, features)
            kept.append(h)
        for each, fine in zip(self.up, kept[-2::-1], strict=True):
            h = each(torch.cat([functional.interpolate(h, scale_factor=2.0), fine], 1), features)
        return self.last(h).flatten(1)


class Taker:
    """Layers in the order in which the other side flattens its network."""

    def __init__(self, leaves):
        self.leaves = list(leaves)

    def __call__(self):
        weight = torch.from_numpy(self.leaves.pop(0))
        bias = self.leaves and self.leaves[0].ndim == 1
        return weight, torch.from_numpy(self.leaves.pop(0)) if bias else None


def filled(layer, weight, bias):
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def linear(pair):
    return filled(nn.Linear(*pair[0].shape[::-1], bias=pair[1] is not None), *pair)


def stencil(pair):
    weight = pair[0].permute(3, 2, 0, 1)
    return filled(nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1), weight, pair[1])


def pointwise(pair):
    weight = pair[0][:, :, None, None]
    return filled(nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=False), weight, None)


class Score(nn.Module):
    """A Gaussian posterior in principal axes, corrected by a network; noise σ = t."""

    def __init__(self, problem):
        super().__init__()
        leaves = [problem[f"leaf_{i}"] for i in range(int(problem["leaves"]))]
        take = Taker(leaves)
        self.network = UNet(take, int(problem["depth"])) if problem["kind"] == "u_net" else Perceptron(take)
        for name in ("mean", "variance", "axes"):
            self.register_buffer(name, torch.from_numpy(problem[name]))

    def denoise(self, x, t):
        c, total = (x - self.mean) @ self.axes.T, self.variance + t[:, None] ** 2
        found = self.network((c * total.rsqrt()) @ self.axes, t.log()) @ self.axes.T
        return self.mean + (self.variance / total * c + t[:, None] * (self.variance / total).sqrt() * found) @ self.axes

    def forward(self, a, z, t):
        """The loss."""
        c, total = (a - self.mean) @ self.axes.T, self.variance + t[:, None] ** 2
        noisy = c + t[:, None] * z
        wanted = (c - self.variance / total * noisy) / (t[:, None] * (self.variance / total).sqrt())
        found = self.network((noisy * total.rsqrt()) @ self.axes, t.log()) @ self.axes.T
        return (wanted - found).square().mean()


def training(problem, variant):
    """Updates of denoising score matching: Adam with a falling rate, and an average of the weights."""
    score, data = Score(problem), torch.from_numpy(problem["data"])
    if variant == "channels last":
        score = score.to(memory_format=torch.channels_last)
    loss = torch.compile(score) if variant == "compiled" else score
    table, batch = torch.from_numpy(problem["table"]), int(problem["batch"])
    strata, parameters = torch.arange(batch), list(score.network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=3e-3, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9999)

    def work(count):
        for k in range(count):
            a = data[torch.randint(len(data), (batch,))]
            place = (strata + torch.rand(batch)) * ((len(table) - 1) / batch)
            low = place.long()
            t = torch.lerp(table[low], table[low + 1], place - low)
            optimizer.zero_grad()
            loss(a, torch.randn_like(a), t).backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, parameters, 1 - min(0.999, (1 + k) / (10 + k)))

    return score, work


def sampling(problem, variant):
    """Heun's steps along the probability flow."""
    score, times = Score(problem).eval(), torch.from_numpy(problem["times"])
    if variant == "channels last":
        score = score.to(memory_format=torch.channels_last)
    denoise = torch.compile(score.denoise) if variant == "compiled" else score.denoise

    def work(count):
        with torch.inference_mode():
            start = (score.variance + times[0] ** 2).sqrt() * torch.randn(count, score.mean.numel())
            x = score.mean + start @ score.axes
            for t, u in zip(times[:-2], times[1:-1], strict=True):
                slope = (x - denoise(x, t.expand(count))) / t
                guess = x + (u - t) * slope
                x = x + 0.5 * (u - t) * (slope + (guess - denoise(guess, u.expand(count))) / u)
            return denoise(x, times[-2].expand(count))

    return score, work


class Empirical:
    """The posterior mean over samples themselves, all at once or in blocks."""

    def __init__(self, problem, variant):
        generator = torch.Generator().manual_seed(0)
        self.data = torch.randn(int(problem["samples"]), int(problem["size"]), generator=generator)
        self.block = len(self.data) if variant == "dense" else int(problem["block"])
        self.x, self.t = torch.from_numpy(problem["x"]), float(problem["t"])

    def __call__(self):
        top = torch.full((len(self.x), 1), -torch.inf)
        total, mean = torch.zeros_like(top), torch.zeros_like(self.x)
        for a in self.data.split(self.block):
            logs = (self.x / self.t**2) @ a.T - 0.5 / self.t**2 * a.square().sum(1)
            new = torch.maximum(top, logs.amax(1, keepdim=True))
            old, weights = (top - new).exp(), (logs - new).exp()
            top, total = new, total * old + weights.sum(1, keepdim=True)
            mean = mean * old + weights @ a
        return mean / total


def empirical(problem, variant):
    """Evaluations of the empirical posterior mean."""
    score = Empirical(problem, variant)

    def work(count):
        with torch.inference_mode():
            for _ in range(count):
                score()

    return None, work


def peak():
    """Largest memory of this process, MB. Not ru_maxrss, which begins with that of the parent."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main():
    """One line of JSON for what was built, then one for every count on standard input."""
    job, variant, file = sys.argv[1:]
    torch.set_num_threads(1)
    problem = dict(np.load(file))
    before = peak()
    score, work = {"training": training, "sampling": sampling, "empirical": empirical}[job](problem, variant)
    gap = 0.0
    if score is not None:
        with torch.inference_mode():
            gap = float(
                (score.denoise(torch.from_numpy(problem["x"]), torch.from_numpy(problem["t"]))
                 - torch.from_numpy(problem["denoised"])).abs().max()
            )  # fmt: skip
    print(json.dumps({"version": torch.__version__, "gap": gap}), flush=True)
    for line in sys.stdin:
        begin = time.process_time()
        work(int(line))
        print(json.dumps({"seconds": time.process_time() - begin, "before": before, "peak": peak()}), flush=True)


if __name__ == "__main__":
    main()
