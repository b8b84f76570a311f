"""Plain NumPy references in float64, written for clarity."""

import itertools

import numpy as np


def conv_out(size, kernel, stride, pad, dilation):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, pad, dilation, strict=True)
    )


def windows(size, out, kernel, stride, pad, dilation):
    """For each tap: (tap, slices of the padded map that its outputs see)."""
    for tap in itertools.product(*map(range, kernel)):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + (m - 1) * s + 1, s) for t, d, m, s in zip(tap, dilation, out, stride, strict=True)
            ),
        )


def padded(x, pad):
    return np.pad(np.asarray(x, np.float64), [(0, 0), (0, 0), *((p, p) for p in pad)])


def conv_forward(x, weight, bias, kernel, stride, pad, dilation, group):
    n, o = x.shape[0], weight.shape[0]
    out = conv_out(x.shape[2:], kernel, stride, pad, dilation)
    y = np.zeros((n, group, o // group, *out))
    xp = padded(x, pad)
    xp = xp.reshape(n, group, x.shape[1] // group, *xp.shape[2:])
    w = weight.astype(np.float64).reshape(group, o // group, weight.shape[1], *kernel)
    for tap, place in windows(x.shape[2:], out, kernel, stride, pad, dilation):
        y += np.einsum("ngc...,goc->ngo...", xp[(..., *place)], w[(..., *tap)])
    y = y.reshape(n, o, *out)
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(out))


def conv_backward(dy, x, weight, kernel, stride, pad, dilation, group):
    """dx, dweight, dbias"""
    n, o = x.shape[0], weight.shape[0]
    out, pixels = dy.shape[2:], int(np.prod(dy.shape[2:]))
    xp = padded(x, pad)
    xp = xp.reshape(n, group, x.shape[1] // group, *xp.shape[2:])
    d = np.asarray(dy, np.float64).reshape(n, group, o // group, *out)
    w = weight.astype(np.float64).reshape(group, o // group, weight.shape[1], *kernel)
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for tap, place in windows(x.shape[2:], out, kernel, stride, pad, dilation):
        seen = xp[(..., *place)]
        dw[(..., *tap)] = np.einsum(
            "ngcp,ngop->goc", seen.reshape(*seen.shape[:3], pixels), d.reshape(*d.shape[:3], pixels)
        )
        dxp[(..., *place)] += np.einsum("ngo...,goc->ngc...", d, w[(..., *tap)])
    dxp = dxp.reshape(n, x.shape[1], *dxp.shape[3:])
    inner = tuple(slice(p, p + s) for p, s in zip(pad, x.shape[2:], strict=True))
    return dxp[(..., *inner)], dw.reshape(weight.shape), dy.sum(axis=(0, *range(2, dy.ndim)), dtype=np.float64)
