"""Merkle trees as RFC 6962 has them: one root for many leaves, and short proofs about it.

Leaves are bytes, nodes are hashes of 32 bytes. That a leaf is in a tree, and that a tree has only
grown, takes a number of hashes that grows by one each time the leaves double.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Hash = bytes


def leaf_hash(leaf: bytes) -> Hash:
    """Hash a leaf (section 2.1), so that no leaf passes for a node."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: Hash, right: Hash) -> Hash:
    """Hash two nodes into the one above them."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Tree:
    """A tree as it grows: the roots of its whole subtrees, the largest first, and their sizes."""

    peaks: tuple[tuple[int, Hash], ...] = ()

    @property
    def size(self) -> int:
        """Count the leaves."""
        return sum(size for size, _ in self.peaks)

    def grown(self, leaf: bytes) -> Tree:
        """Give the tree with one more leaf."""
        peaks, size, node = list(self.peaks), 1, leaf_hash(leaf)
        while peaks and peaks[-1][0] == size:
            _, left = peaks.pop()
            size, node = 2 * size, node_hash(left, node)
        return Tree((*peaks, (size, node)))

    @property
    def root(self) -> Hash:
        """Give the root (MTH); of no leaf it is the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        *rest, (_, node) = self.peaks
        for _, left in reversed(rest):
            node = node_hash(left, node)
        return node


def tree_of(leaves: Iterable[bytes]) -> Tree:
    """Give the tree of these leaves."""
    tree = Tree()
    for leaf in leaves:
        tree = tree.grown(leaf)
    return tree


def inclusion(leaves: Sequence[bytes], index: int) -> list[Hash]:
    """Prove that leaf `index`, from 0, is in the tree (PATH, section 2.1.1), from the leaf up."""
    size = len(leaves)
    if size <= 1:
        return []
    left = _left(size)
    if index < left:
        return [*inclusion(leaves[:left], index), tree_of(leaves[left:]).root]
    return [*inclusion(leaves[left:], index - left), tree_of(leaves[:left]).root]


def consistency(leaves: Sequence[bytes], first: int) -> list[Hash]:
    """Prove that the tree begins with that of its `first` leaves, one at least (section 2.1.2)."""
    return _subproof(leaves, first, known=True)


def _subproof(leaves: Sequence[bytes], first: int, *, known: bool) -> list[Hash]:
    size = len(leaves)
    if first == size:
        return [] if known else [tree_of(leaves).root]
    left = _left(size)
    if first <= left:
        return [*_subproof(leaves[:left], first, known=known), tree_of(leaves[left:]).root]
    rest = _subproof(leaves[left:], first - left, known=False)
    return [*rest, tree_of(leaves[:left]).root]


def _left(size: int) -> int:
    """Give the largest power of two below a size above one."""
    return 1 << ((size - 1).bit_length() - 1)


def included(leaf: bytes, index: int, size: int, path: Sequence[Hash], root: Hash) -> bool:
    """Check a proof of inclusion (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last, node = index, size - 1, leaf_hash(leaf)
    for other in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(other, node)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, other)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root


def consistent(
    first: int, second: int, path: Sequence[Hash], first_root: Hash, second_root: Hash
) -> bool:
    """Check a proof of consistency (RFC 9162, section 2.1.4.2); the first tree has leaves."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    nodes = list(path) if first & (first - 1) else [first_root, *path]
    if not nodes:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    before = after = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            after = node_hash(after, node)
        here, last = here >> 1, last >> 1
    return last == 0 and before == first_root and after == second_root
