"""Compiled loops of the rejection-free dynamics; `_nfold` holds the interface and the tables they read.

Everything compiled lives in this one file, because numba's cache on disk notices changes of the file that holds a
function, but not of the functions that it calls. Boltzmann weights W = e^{−E/kT} are tabulated: no loop takes an
exponential. With W_w the weight of value w at a site given its neighbours, s the present value and a cap C,

    rate(s → w) ∝ min(C, W_w):   Metropolis C = W_s, divided by W_s;   heat bath C = ∞, divided by Σ_w W_w.

`sites` has one element more than there are sites: the wall.
"""

import numpy as np

try:
    import numba
except ImportError:  # `_nfold` says what to install
    numba = None


# Counting references costs as much as the work; nothing here allocates, so it can be left out (`_nrt`).
_OPTIONS = {"error_model": "numpy", "_nrt": False}


def compiled(function):
    """The function in machine code; without numba as it is, so that the module can be read."""
    return function if numba is None else numba.njit(cache=True, nogil=True, **_OPTIONS)(function)


def uncached(function):
    """As `compiled`, for loops of another file: nothing is kept on disk."""
    return function if numba is None else numba.njit(nogil=True, **_OPTIONS)(function)


def inlined(function):
    """As `compiled`, but part of each function that calls it: a dozen arrays cost more to pass than to work on."""
    return function if numba is None else numba.njit(forceinline=True, **_OPTIONS)(function)


# --- random numbers -----------------------------------------------------------------------------------------------

_11, _17, _19, _23, _41, _45 = (np.uint64(shift) for shift in (11, 17, 19, 23, 41, 45))
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inlined
def uniform(rng):
    """A number in (0, 1) with 53 random bits, from xoshiro256++."""
    s0, s1, s2, s3 = rng[0], rng[1], rng[2], rng[3]
    word = s0 + s3
    word = ((word << _23) | (word >> _41)) + s0
    shifted = s1 << _17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    rng[0], rng[1], rng[2], rng[3] = s0, s1, s2, (s3 << _45) | (s3 >> _19)
    return (np.float64(word >> _11) + 0.5) * 2.0**-53


# --- sum tree: node a holds tree[2a] + tree[2a + 1], the leaves are its second half --------------------------------
# Nodes are always summed anew, never corrected by differences: the tree is a function of the sites alone, free of
# drift, and a run that was interrupted goes on with the same bits.


@inlined
def set_leaf(tree, site, rate):
    """Put the rate of a site and renew the sums above it."""
    node = (tree.size >> 1) + site
    tree[node] = rate
    while node > 1:
        rate += tree[node ^ 1]
        node >>= 1
        tree[node] = rate


@inlined
def fill(tree):
    """All sums from the leaves."""
    for node in range((tree.size >> 1) - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]


@inlined
def choose_site(tree, rng):
    """A site with probability proportional to its rate; reads the 16 nodes four levels down in one row."""
    while True:
        left, node, below = uniform(rng) * tree[1], 1, tree.size >> 1
        while below > 1:
            width = min(16, below)
            below //= width
            node *= width
            last = node + width - 1
            while node < last and left >= tree[node]:
                left -= tree[node]
                node += 1
        if tree[node] > 0.0:  # else rounding led past the last site of its branch
            return node - (tree.size >> 1)


# --- dense tables: every value in turn ------------------------------------------------------------------------------


@inlined
def dense_collect(dense, sites, site):
    """Weights of all mobile values at a site, into `dense.product`; returns how many."""
    product = dense.product
    for w in range(product.size):
        product[w] = dense.weight[w]
    for k in range(dense.neighbors.shape[1]):
        near = sites[dense.neighbors[site, k]]
        for w in range(product.size):
            product[w] *= dense.factor[k, near, w]
    return product.size


@inlined
def dense_total(dense, s, count):
    """Σ_{w≠s} min(C, W_w), what divides it, and C."""
    product, others = dense.product, 0.0
    own = product[s]
    cap = np.inf if dense.heat_bath else own
    for w in range(count):
        if w != s:
            others += min(cap, product[w])
    return others, (others + own if dense.heat_bath else cap), cap


@inlined
def dense_value(dense, s, count, left, cap):
    """The value w ≠ s at which the running sum of min(C, W) passes `left`."""
    value = s
    for w in range(count):
        if w != s and dense.product[w] > 0.0:
            value = w
            left -= min(cap, dense.product[w])
            if left < 0.0:
                break
    return value


# --- sparse tables: background of all values plus the excess of the few that bind here ------------------------------
# A value has the bare weight b_w = e^{-field/kT}; bonds multiply it by factors f >= 1. So
#     Σ_w min(C, W_w) = Σ_w min(C, b_w) + Σ_{partners w of the neighbours} [min(C, W_w) − min(C, b_w)],
# where all terms are positive and a value that binds to several neighbours counts once. For the background, values
# are sorted into levels of equal b, from the largest down.


@inlined
def sparse_collect(sparse, sites, site):
    """Collect the distinct partners w of the neighbours and their weights b_w f_0 f_1 …; returns how many.

    `at[w]` is where w was put; it holds anything smaller than `at.size` before w has come.
    """
    count, found, at, product = 0, sparse.found, sparse.at, sparse.product
    for k in range(sparse.neighbors.shape[1]):
        row = k * sparse.rows + sites[sparse.neighbors[site, k]]
        for a in range(sparse.start[row], sparse.start[row + 1]):
            w = sparse.partner[a]
            if at[w] < count and found[at[w]] == w:
                product[at[w]] *= sparse.factor[a]
            else:
                at[w], found[count] = count, w
                product[count] = sparse.weight[w] * sparse.factor[a]
                count += 1
    return count


@inlined
def first_below(sparse, cap):
    """The first level whose b is smaller than the cap."""
    low, high = 0, sparse.level.size
    while low < high:
        middle = (low + high) >> 1
        if sparse.level[middle] >= cap:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def background(sparse, s, cap):
    """Σ_{w≠s} min(C, b_w), in three parts: levels at the cap, levels before that of s, and the rest.

    `suffix` sums from the smallest level up, so that differences lose no digits.
    """
    low, own, suffix = first_below(sparse, cap), sparse.level_of[s], sparse.suffix
    if own < low:
        return (sparse.level_start[low] - 1) * cap, 0.0, suffix[low]
    full = sparse.level_start[low] * cap if low else 0.0
    others = sparse.level_start[own + 1] - sparse.level_start[own] - 1
    return full, suffix[low] - suffix[own], others * sparse.level[own] + suffix[own + 1]


@inlined
def background_value(sparse, s, left, cap):
    """The value w ≠ s at which the running sum of min(C, b) passes `left`."""
    full, before, _ = background(sparse, s, cap)
    low, own, start, level = first_below(sparse, cap), sparse.level_of[s], sparse.level_start, sparse.level
    if left < full:
        return background_at(sparse, s, 0, start[low], left / cap)
    left -= full
    high = level.size - 1
    if own >= low:
        if left < before:
            high = own - 1
        else:
            left -= before
            others = (start[own + 1] - start[own] - 1) * level[own]
            if left < others or own == high:
                return background_at(sparse, s, start[own], start[own + 1], left / level[own])
            left -= others
            low = own + 1
    top = sparse.suffix[low] - left
    while low < high:  # the last level whose suffix reaches the top
        middle = (low + high + 1) >> 1
        if sparse.suffix[middle] >= top:
            low = middle
        else:
            high = middle - 1
    return background_at(sparse, s, start[low], start[low + 1], (sparse.suffix[low] - top) / level[low])


@inlined
def background_at(sparse, s, first, end, steps):
    """One of the values at the places first … end − 1, passing over s."""
    place = sparse.place[s]
    inside = first <= place and place < end
    index = min(first + np.int64(steps), end - 1 - inside)
    return sparse.order[index + (inside and place <= index)]


@inlined
def sparse_total(sparse, s, count):
    """Σ_{w≠s} min(C, W_w), what divides it, and C."""
    bare = own = sparse.weight[s]
    if sparse.at[s] < count and sparse.found[sparse.at[s]] == s:
        own = sparse.product[sparse.at[s]]
    cap, others = np.inf if sparse.heat_bath else own, sparse.alone[s]
    if own != bare and not sparse.heat_bath:
        full, before, rest = background(sparse, s, cap)
        others = full + before + rest
    for a in range(count):
        w = sparse.found[a]
        if w != s:
            others += min(cap, sparse.product[a]) - min(cap, sparse.weight[w])
    return others, (others + own if sparse.heat_bath else cap), cap


@inlined
def sparse_value(sparse, s, count, left, cap):
    """The value w ≠ s at which the running sum of the excess, then of the background, passes `left`."""
    for a in range(count):
        w = sparse.found[a]
        if w != s:
            left -= min(cap, sparse.product[a]) - min(cap, sparse.weight[w])
            if left < 0.0:
                return w
    return background_value(sparse, s, left, cap)


# --- changes of value -----------------------------------------------------------------------------------------------
# One of `dense` and `sparse` is None, and numba compiles only the branches of the other.


@inlined
def collect(dense, sparse, sites, site):
    """The weights that the neighbours of a site give to the values it may take."""
    if dense is not None:
        return dense_collect(dense, sites, site)
    if sparse is not None:
        return sparse_collect(sparse, sites, site)
    return 0


@inlined
def total(dense, sparse, s, count):
    """Σ_{w≠s} min(C, W_w), what divides it, and C, for the weights collected last."""
    if dense is not None:
        return dense_total(dense, s, count)
    if sparse is not None:
        return sparse_total(sparse, s, count)
    return 0.0, 1.0, 1.0


@inlined
def change_rate(dense, sparse, memo, neighbors, sites, site):
    """Total rate of the changes of one site, looked up if the same environment was met before.

    At low temperature few environments recur all the time. The key is exact, so a rate that is remembered has the bits
    with which it would be computed again.
    """
    key, other = np.uint64(sites[site]), np.uint64(0)
    for k in range(0, neighbors.shape[1], 2):
        key = key * memo.base + np.uint64(sites[neighbors[site, k]])
        other = other * memo.base + np.uint64(sites[neighbors[site, k + 1]])
    slot = np.int64(((key * _GOLDEN + other) * _GOLDEN) >> memo.shift)
    if memo.key[slot, 0] != key or memo.key[slot, 1] != other:
        others, divisor, _ = total(dense, sparse, sites[site], collect(dense, sparse, sites, site))
        memo.key[slot, 0], memo.key[slot, 1], memo.rate[slot] = key, other, others / divisor
    return memo.rate[slot]


@inlined
def change(dense, sparse, sites, site, fraction):
    """Give a site the value that a number in (0, 1) picks in proportion to the rates; returns its new total rate."""
    s, count = sites[site], collect(dense, sparse, sites, site)
    others, _, cap = total(dense, sparse, s, count)
    if dense is not None:
        sites[site] = dense_value(dense, s, count, fraction * others, cap)
    if sparse is not None:
        sites[site] = sparse_value(sparse, s, count, fraction * others, cap)
    others, divisor, _ = total(dense, sparse, sites[site], count)
    return others / divisor


@compiled
def fill_changes(dense, sparse, memo, neighbors, frozen, sites, tree):
    """Rates of all sites, and their sums."""
    leaves = tree.size >> 1
    for site in range(frozen.size):
        tree[leaves + site] = 0.0 if frozen[site] else change_rate(dense, sparse, memo, neighbors, sites, site)
    fill(tree)


@compiled
def pick_changes(dense, sparse, sites, site, fractions, picked):
    """The value that each of the fractions picks at one site."""
    s = sites[site]
    for a in range(fractions.size):
        change(dense, sparse, sites, site, fractions[a])
        picked[a] = sites[site]
        sites[site] = s


@compiled
def run_changes(dense, sparse, memo, neighbors, frozen, sites, tree, rng, time, events, max_time):
    """Events until `events` are done or the next would come after `max_time`; returns time and number."""
    for done in range(events):
        before = rng[0], rng[1], rng[2], rng[3]
        then = time - np.log(uniform(rng)) / tree[1]
        if not (tree[1] > 0.0 and then <= max_time):  # as if this event had not been looked at
            rng[0], rng[1], rng[2], rng[3] = before
            return time, done
        time = then
        site = choose_site(tree, rng)
        set_leaf(tree, site, change(dense, sparse, sites, site, uniform(rng)))
        for k in range(neighbors.shape[1]):
            near = neighbors[site, k]
            if near < frozen.size and not frozen[near]:
                set_leaf(tree, near, change_rate(dense, sparse, memo, neighbors, sites, near))
    return time, events
