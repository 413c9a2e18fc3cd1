"""Kernels of gradient boosting: how trees grow.

A node has n samples with residuals r, whose mean is m. The best split has the largest
score D^2 / (left (n - left)), where D is the sum of r - m over the `left` samples with
the smallest codes. The search is fast for two reasons:

- Codes are sorted once, and all classes of all targets share the order. The trees of a
  round grow together, so one pass over the order serves LANES trees.
- Sorted samples are divided into blocks. The largest |D| of a block bounds the scores
  of its splits. Only the few blocks whose bound reaches the best score are searched
  sample by sample. The result is the exact best split.
"""

import numba
import numpy as np

NUM_ROUNDS = 100
LEARNING_RATE = 0.1
DEPTH = 3
# Trees are complete: a node that is not split has all its samples in its left child.
NUM_SPLITS = 2**DEPTH - 1
NUM_LEAVES = 2**DEPTH

LANES = 16
BLOCK = 64
# A word holds a count, at most BLOCK, for each node of the last level.
COUNT_BITS = 8
COUNT_MASK = 2**COUNT_BITS - 1

# As in scikit-learn: codes that differ by at most this are equal, and a node with at
# most this variance is a leaf.
CODE_THRESHOLD = np.float32(1e-7)
VARIANCE_THRESHOLD = np.finfo(np.float64).eps
# By rounding, the scores of splits into the same two sets may differ by less than this.
TIE = 1e-11

_jit = numba.njit(nogil=True, cache=True)


@_jit
def update_residuals(labels, counts, scores, start, stop, residuals):
    """Sets residuals of samples start, ..., stop - 1: one-hot class - probability."""
    num_groups = len(scores)
    row = np.empty(num_groups * LANES)
    for i in range(start, stop):
        for g in range(num_groups):
            row[g * LANES : (g + 1) * LANES] = scores[g, i]
        first = 0
        for k in range(len(counts)):
            last = first + counts[k]
            if counts[k] == 1:
                row[first] = labels[k, i] - 1 / (1 + np.exp(-row[first]))
            else:
                largest = row[first:last].max()
                total = 0.0
                for tree in range(first, last):
                    row[tree] = np.exp(row[tree] - largest)
                    total += row[tree]
                for tree in range(first, last):
                    row[tree] = -row[tree] / total
                row[first + labels[k, i]] += 1
            first = last
        for g in range(num_groups):
            residuals[g, i] = row[g * LANES : (g + 1) * LANES]


@_jit
def grow(
    codes,
    order,
    sorted_codes,
    residuals,
    seeds,
    step_sizes,
    scores,
    split_codes,
    thresholds,
    values,
    gains,
):
    """Grows one tree per lane, level by level, and adds its steps to the scores."""
    n, lanes = residuals.shape
    shape = (len(order), order.shape[1] // BLOCK, lanes)
    nodes = np.zeros((n, lanes), np.uint8)
    words = np.zeros((n + 1, lanes), np.uint32)
    block_words = np.empty(shape, np.uint32)
    deviations = np.zeros((n + 1, lanes))
    starts, bounds = np.empty(shape), np.empty(shape)
    ranks = np.empty(shape, np.int64)
    sizes = np.zeros((NUM_LEAVES, lanes), np.int64)
    sizes[0] = n
    means = np.zeros((NUM_LEAVES, lanes))
    means[0] = _column_sums(residuals) / n
    best = np.empty(lanes)
    best_block = np.empty((lanes, 2), np.int64)
    for level in range(DEPTH):
        if level == 0:
            block_words[:] = BLOCK
            block_words[:, -1] = n - (shape[1] - 1) * BLOCK
        else:
            _count(nodes, order, words, block_words)
        child_sizes, child_means = np.zeros_like(sizes), np.zeros_like(means)
        for node in range(2**level):
            _deviate(residuals, nodes, node, means[node], deviations)
            _sum_blocks(deviations, order, starts, bounds)
            _bound(block_words, node, sizes[node], ranks, bounds, best, best_block)
            split = 2**level - 1 + node
            for c in range(lanes):
                size, mean = sizes[node, c], means[node, c]
                split_codes[split, c], thresholds[split, c] = 0, np.inf
                child_sizes[2 * node, c], child_means[2 * node, c] = size, mean
                if size < 2 or _is_pure(deviations[:, c], size, best[c]):
                    continue
                code, threshold, left, deviation = _search(
                    order,
                    sorted_codes,
                    node,
                    size,
                    (nodes[:, c], deviations[:, c], starts[:, :, c], ranks[:, :, c]),
                    bounds[:, :, c],
                    best_block[c],
                    seeds[c] * np.uint64(NUM_SPLITS) + np.uint64(split),
                )
                if left == 0:
                    continue
                right = size - left
                split_codes[split, c], thresholds[split, c] = code, threshold
                gains[code, c] += deviation**2 * size / (left * right)
                child_sizes[2 * node, c] = left
                child_sizes[2 * node + 1, c] = right
                child_means[2 * node, c] = mean + deviation / left
                child_means[2 * node + 1, c] = mean - deviation / right
        sizes, means = child_sizes, child_means
        level_splits = slice(2**level - 1, 2 ** (level + 1) - 1)
        _descend(codes, split_codes[level_splits], thresholds[level_splits], nodes)
    _step(residuals, nodes, step_sizes, values, scores)


@_jit
def _larger(x, y):
    # This is one instruction. The function `max` needs more, because it handles NaN.
    return x if x > y else y


@_jit
def _column_sums(array):
    sums = np.zeros(array.shape[1])
    for i in range(len(array)):
        for c in range(len(sums)):
            sums[c] += array[i, c]
    return sums


@_jit
def _count(nodes, order, words, block_words):
    """Counts the samples of each node in each block, COUNT_BITS bits per node."""
    n, lanes = nodes.shape
    for i in range(n):
        for c in range(lanes):
            words[i, c] = np.uint32(1) << np.uint32(COUNT_BITS * nodes[i, c])
    counts = np.empty(lanes, np.uint32)
    for code in range(block_words.shape[0]):
        for block in range(block_words.shape[1]):
            counts[:] = 0
            for position in range(block * BLOCK, (block + 1) * BLOCK, 4):
                row0 = words[order[code, position]]
                row1 = words[order[code, position + 1]]
                row2 = words[order[code, position + 2]]
                row3 = words[order[code, position + 3]]
                for c in range(lanes):
                    counts[c] += (row0[c] + row1[c]) + (row2[c] + row3[c])
            block_words[code, block] = counts


@_jit
def _deviate(residuals, nodes, node, means, deviations):
    """Sets deviations to residuals minus their mean in the node, 0 in other nodes."""
    n, lanes = residuals.shape
    for i in range(n):
        for c in range(lanes):
            inside = nodes[i, c] == np.uint8(node)
            deviations[i, c] = (residuals[i, c] - means[c]) * inside


@_jit
def _sum_blocks(deviations, order, starts, peaks):
    """Sums deviations in the order of every code.

    Sets `starts` to the sum before each block, and `peaks` to the largest absolute sum
    at the start of the block or inside it.
    """
    lanes = deviations.shape[1]
    total, peak = np.empty(lanes), np.empty(lanes)
    for code in range(starts.shape[0]):
        total[:] = 0
        for block in range(starts.shape[1]):
            for c in range(lanes):
                starts[code, block, c] = total[c]
                peak[c] = abs(total[c])
            for position in range(block * BLOCK, (block + 1) * BLOCK, 4):
                # Four at a time, because these sums do not depend on the total.
                row0 = deviations[order[code, position]]
                row1 = deviations[order[code, position + 1]]
                row2 = deviations[order[code, position + 2]]
                row3 = deviations[order[code, position + 3]]
                for c in range(lanes):
                    sum1 = row0[c] + row1[c]
                    sum2 = sum1 + row2[c]
                    sum3 = sum2 + row3[c]
                    start = total[c]
                    end = start + sum3
                    peak01 = _larger(abs(start + row0[c]), abs(start + sum1))
                    peak23 = _larger(abs(start + sum2), abs(end))
                    peak[c] = _larger(peak[c], _larger(peak01, peak23))
                    total[c] = end
            for c in range(lanes):
                peaks[code, block, c] = peak[c]


@_jit
def _bound(block_words, node, sizes, ranks, bounds, best, best_block):
    """Bounds the scores of the node's splits in every block.

    `bounds` holds the peaks of `_sum_blocks`. It is set to the bounds, or -1 where
    there is no split. Sets `ranks` to the number of the node's samples before each
    block, `best` to the largest bound per lane, and `best_block` to its code and block.
    """
    num_codes, num_blocks, lanes = bounds.shape
    best[:] = -1
    shift = np.uint32(COUNT_BITS * node)
    mask = np.uint32(COUNT_MASK)
    rank = np.empty(lanes, np.int64)
    for code in range(num_codes):
        rank[:] = 0
        for block in range(num_blocks):
            for c in range(lanes):
                ranks[code, block, c] = rank[c]
                low = max(rank[c], 1)
                rank[c] += (block_words[code, block, c] >> shift) & mask
                # A split is before a sample, which then goes to the right.
                high = rank[c] - 1
                peak = bounds[code, block, c]
                bound = -1.0
                if high >= low:
                    bound = peak**2 / min(
                        low * (sizes[c] - low), high * (sizes[c] - high)
                    )
                bounds[code, block, c] = bound
                if bound > best[c]:
                    best[c] = bound
                    best_block[c, 0] = code
                    best_block[c, 1] = block


@_jit
def _is_pure(deviations, size, bound):
    # No score is larger than the variance, and a bound is at most BLOCK + 1 times the
    # score after some sample of its block. So only small bounds need the exact sum.
    if bound > 2 * BLOCK * VARIANCE_THRESHOLD:
        return False
    return np.sum(deviations**2) <= VARIANCE_THRESHOLD * size


@_jit
def _search(order, sorted_codes, node, size, lane, bounds, best_block, seed):
    """Finds the best split of a node of the tree in a lane.

    `lane` holds nodes and deviations of the samples, sums and ranks before the blocks;
    `seed` chooses between equal scores. Returns the code, the threshold, the number of
    samples on the left (0 if there is no split), and the sum of their deviations.
    """
    num_codes, num_blocks = bounds.shape
    best = 0, np.inf, 0, 0.0
    best_priority = np.uint64(0)
    best_score = _search_block(
        order[best_block[0]],
        sorted_codes[best_block[0]],
        node,
        size,
        lane,
        best_block[0],
        best_block[1],
    )[0]
    found = False
    for code in range(num_codes):
        priority = _hash(seed * np.uint64(num_codes) + np.uint64(code))
        for block in range(num_blocks):
            if bounds[code, block] < best_score * (1 - TIE):
                continue
            score, threshold, left, deviation = _search_block(
                order[code], sorted_codes[code], node, size, lane, code, block
            )
            if (
                left
                and score >= best_score * (1 - TIE)
                and (
                    not found
                    or score > best_score * (1 + TIE)
                    or (code != best[0] and priority > best_priority)
                )
            ):
                found = True
                best_score, best_priority = score, priority
                best = code, threshold, left, deviation
    return best


@_jit
def _search_block(order, sorted_codes, node, size, lane, code, block):
    """Finds the best split before one of the node's samples in a block.

    Returns the same as `_search`, with the score in place of the code. The score is -1
    if there is no split.
    """
    nodes, deviations, starts, ranks = lane
    rank, total = ranks[code, block], starts[code, block]
    previous = np.float32(0)
    if rank:
        last = block - 1
        while ranks[code, last] == rank:
            last -= 1
        position = last * BLOCK + BLOCK - 1
        while nodes[order[position]] != node:
            position -= 1
        previous = sorted_codes[position]
    score, threshold, left, deviation = -1.0, np.inf, 0, 0.0
    for position in range(block * BLOCK, min((block + 1) * BLOCK, len(sorted_codes))):
        i = order[position]
        if nodes[i] != node:
            continue
        current = sorted_codes[position]
        if rank and current > previous + CODE_THRESHOLD:
            new_score = total**2 / (rank * (size - rank))
            if new_score > score * (1 + TIE):
                score, left, deviation = new_score, rank, total
                threshold = previous / 2.0 + current / 2.0
        total += deviations[i]
        rank += 1
        previous = current
    return score, threshold, left, deviation


@_jit
def _hash(x):
    """Scrambles an integer (SplitMix64 of Steele et al., 2014)."""
    x += np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_jit
def _descend(codes, split_codes, thresholds, nodes):
    """Moves samples from the nodes of a level to their children."""
    n, lanes = nodes.shape
    for i in range(n):
        for c in range(lanes):
            node = nodes[i, c]
            right = codes[i, split_codes[node, c]] > thresholds[node, c]
            nodes[i, c] = 2 * node + right


@_jit
def _step(residuals, leaves, step_sizes, values, scores):
    """Sets the values of leaves to one Newton step, and adds them to the scores."""
    n, lanes = residuals.shape
    sums, curvatures = np.zeros((NUM_LEAVES, lanes)), np.zeros((NUM_LEAVES, lanes))
    for i in range(n):
        for c in range(lanes):
            residual = residuals[i, c]
            # Residuals are positive in the tree's class, where they are 1 - p.
            p = (residual > 0) - residual
            sums[leaves[i, c], c] += residual
            curvatures[leaves[i, c], c] += p * (1 - p)
    for leaf in range(NUM_LEAVES):
        for c in range(lanes):
            values[leaf, c] = 0
            if curvatures[leaf, c] >= 1e-150:
                values[leaf, c] = (
                    LEARNING_RATE * step_sizes[c] * sums[leaf, c] / curvatures[leaf, c]
                )
    for i in range(n):
        for c in range(lanes):
            scores[i, c] += values[leaves[i, c], c]


@_jit
def predict(columns, split_codes, thresholds, values, scores):
    """Adds the values of all rounds to the scores (num_trees, n)."""
    leaves = np.empty(columns.shape[1], np.uint8)
    for tree in range(len(scores)):
        tree_scores = scores[tree]
        for r in range(split_codes.shape[1]):
            code, t, v = split_codes[tree, r], thresholds[tree, r], values[tree, r]
            x0, x1, x2 = columns[code[0]], columns[code[1]], columns[code[2]]
            x3, x4 = columns[code[3]], columns[code[4]]
            x5, x6 = columns[code[5]], columns[code[6]]
            # Without branches, so that many samples are compared at once.
            for i in range(len(leaves)):
                left = 2 + (x4[i] > t[4]) if x1[i] > t[1] else 0 + (x3[i] > t[3])
                right = 6 + (x6[i] > t[6]) if x2[i] > t[2] else 4 + (x5[i] > t[5])
                leaves[i] = right if x0[i] > t[0] else left
            for i in range(len(leaves)):
                tree_scores[i] += v[leaves[i]]
