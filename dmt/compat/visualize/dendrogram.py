"""disentanglement_lib's pictures of how factors merge as a threshold is lowered.

Factors and codes are the nodes of a graph whose edges are the entries of a matrix.
Edges are added from the largest entry to the smallest. Factors merge when they become
connected.
"""

import numpy as np

from dmt.utils import files

__all__ = ["dendrogram_plot", "report_merges"]


def dendrogram_plot(matrix, output_dir, factor_names):
    """Draws which factors merge, and after how many edges.

    Args:
        matrix: array (num_factors, num_codes), relation of factors and codes.
        output_dir: path of the picture without its suffix ".png".
        factor_names: names of the factors (num_factors,).

    Returns:
        Dictionary of `merge_<a>_<b>`, see `report_merges`.
    """
    matrix = np.asarray(matrix)
    num_factors, num_codes = matrix.shape
    order = np.argsort(matrix, axis=None)[::-1]
    factors, codes = np.unravel_index(order, matrix.shape)
    nodes = list(range(num_factors + num_codes))
    numbers = {i: i for i in range(num_factors)}
    sizes = dict.fromkeys(range(num_factors), 1)
    z, last, found = np.zeros((num_factors - 1, 4)), num_factors - 1, 0
    for edge, (factor, code) in enumerate(zip(factors, codes, strict=True)):
        z, numbers, sizes, last, found = _union(
            nodes,
            factor,
            num_factors + code,
            edge,
            z,
            numbers,
            sizes,
            matrix,
            last,
            found,
        )
    _draw(z, matrix.ravel()[order], factor_names, f"{output_dir}.png")
    return report_merges(z, num_factors)


def report_merges(z, num_factors):
    """When each pair of factors became connected.

    Args:
        z: array (num_factors - 1, 4), a row for each merge of two clusters: their
            numbers, the number of edges before, and the size of the new cluster.
            Clusters 0 to num_factors - 1 are the factors; later ones are numbered in
            the order of the rows.
        num_factors: number of factors.

    Returns:
        Dictionary of `merge_<a>_<b>` for each pair, the number of edges before. a is in
        the first cluster of a row and b in the second, so either may be larger.
    """
    clusters = [[factor] for factor in range(num_factors)]
    merges = {}
    for first, second, edge, _ in z:
        one, other = clusters[int(first)], clusters[int(second)]
        merges |= {f"merge_{a}_{b}": edge for a in one for b in other}
        clusters.append(one + other)
    return merges


def _draw(z, thresholds, factor_names, path):
    from matplotlib.figure import Figure
    from scipy.cluster import hierarchy

    axes = Figure(layout="constrained").subplots()
    if len(z):
        hierarchy.dendrogram(z, labels=list(factor_names), orientation="right", ax=axes)
    ticks = range(0, len(thresholds), 10)
    axes.set_xticks(ticks, [f"{thresholds[tick]:.2f}" for tick in ticks])
    axes.set(xlabel="Threshold", ylabel="Factor")
    with files.replacing(path) as temporary:
        axes.figure.savefig(temporary, bbox_inches="tight")


def _find(nodes, node):
    """The root of the tree of a node; `nodes` holds the parent of each node."""
    while nodes[node] != node:
        node = nodes[node]
    return node


def _union(nodes, idx, idy, val, z, cluster_id, size, matrix, n_clusters, idx_found):
    """Adds the edge number `val` between two nodes, and records a merge of factors.

    Changes `nodes`, `z`, `cluster_id` (cluster of each root) and `size` in place, and
    returns `z, cluster_id, size, n_clusters, idx_found`: also the largest number of a
    cluster, and the number of merges.
    """
    roots = _find(nodes, idx), _find(nodes, idy)
    # Roots are factors where there are any, because these have the smaller numbers.
    low, high = sorted(roots)
    if low != high:
        nodes[high] = low
        if high < len(matrix):
            first, second = (cluster_id[root] for root in roots)
            n_clusters += 1
            size[n_clusters] = size[first] + size[second]
            z[idx_found] = [first, second, val, size[n_clusters]]
            cluster_id[low] = cluster_id[high] = n_clusters
            idx_found += 1
    return z, cluster_id, size, n_clusters, idx_found
