"""Compiled inner loops of FLOCK. Importing this module imports numba.

Called through `immport_cyto.cluster.flock.native`, and so without arrays of their own: room is handed to them.
All arithmetic is float64 and every sum is taken in the order of the events and columns, so that results are those of
the original programs and the same on every machine.
"""

import numpy as np

from immport_cyto.cluster._jit import kernel


@kernel
def fill_bins(Z, low, width, n_bins, bins):  # type: ignore[no-untyped-def]
    """Bin of each value (events x columns, uint8): ``floor((z - low) / width)``, the maximum in the last bin."""
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            b = int((Z[i, j] - low[j]) / width[j])
            bins[i, j] = min(b, n_bins - 1)


@kernel
def _hash(row):  # type: ignore[no-untyped-def]
    value = np.uint64(14695981039346656037)
    for j in range(row.shape[0]):
        value = (value ^ np.uint64(row[j])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@kernel
def _slot(rows, table, row):  # type: ignore[no-untyped-def]
    """Slot of the open-addressing `table` (numbers into `rows`, -1 = free) that holds `row`, or where it belongs."""
    mask = np.uint64(table.shape[0] - 1)
    at = _hash(row) & mask
    while table[at] >= 0:
        same = True
        known = rows[table[at]]
        for j in range(row.shape[0]):
            if known[j] != row[j]:
                same = False
                break
        if same:
            break
        at = (at + np.uint64(1)) & mask
    return at


@kernel
def count_regions(bins, table, limit):  # type: ignore[no-untyped-def]
    """Number of different rows of `bins`, counted up to `limit`; `table` (a power of two, > rows) is overwritten."""
    table[:] = -1
    n = 0
    for i in range(bins.shape[0]):
        at = _slot(bins, table, bins[i])
        if table[at] < 0:
            table[at] = i
            n += 1
            if n >= limit:
                break
    return n


@kernel
def number_regions(bins, table, region, first, size):  # type: ignore[no-untyped-def]
    """Number the different rows in order of appearance: `region` per event, `first` event and `size` per region."""
    table[:] = -1
    n = 0
    for i in range(bins.shape[0]):
        at = _slot(bins, table, bins[i])
        if table[at] < 0:
            table[at] = i
            region[i] = n
            first[n] = i
            size[n] = 1
            n += 1
        else:
            number = region[table[at]]
            region[i] = number
            size[number] += 1
    return n


@kernel
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def join_neighbours(dense, table, parent, lowest, row):  # type: ignore[no-untyped-def]
    """Join rows of `dense` (sorted) that differ by 1 in one column; `lowest` is False where a row has one below it.

    `row` is room for one row.
    """
    table[:] = -1
    for i in range(dense.shape[0]):
        table[_slot(dense, table, dense[i])] = i
        parent[i] = i
        lowest[i] = True
    for i in range(dense.shape[0]):
        for j in range(dense.shape[1]):
            row[j] = dense[i, j]
        for j in range(dense.shape[1]):
            if dense[i, j] == 0:
                continue
            row[j] = dense[i, j] - 1
            other = table[_slot(dense, table, row)]
            row[j] = dense[i, j]
            if other >= 0:
                lowest[i] = False
                a, b = _root(parent, i), _root(parent, other)
                parent[max(a, b)] = min(a, b)
    for i in range(dense.shape[0]):
        parent[i] = _root(parent, i)


@kernel
def _is_near(one, other, reach):  # type: ignore[no-untyped-def]
    for j in range(one.shape[0]):  # noqa: SIM110 - numba does not compile all() over a generator
        if abs(one[j] - other[j]) > reach[j]:
            return False
    return True


@kernel
def _sort_into_cells(centres, columns, low, side, n_cells, place, cell, left, where, begin, end):  # type: ignore[no-untyped-def]
    """Cell of each centre, and the centres cell by cell: ``left[begin[c]:end[c]]``; ``where`` inverts `left`."""
    n = centres.shape[0]
    begin[:] = 0
    for i in range(n):
        for a in range(3):
            place[i, a] = min(int((centres[i, columns[a]] - low[a]) / side[a]), n_cells[a] - 1)
        cell[i] = (place[i, 0] * n_cells[1] + place[i, 1]) * n_cells[2] + place[i, 2]
        begin[cell[i] + 1] += 1
    for c in range(end.shape[0]):
        begin[c + 1] += begin[c]
        end[c] = begin[c]
    for i in range(n):
        where[i] = end[cell[i]]
        left[where[i]] = i
        end[cell[i]] += 1


@kernel
def flood(centres, reach, columns, low, side, n_cells, component, place, cell, left, where, stack, begin, end):  # type: ignore[no-untyped-def]
    """Connect, transitively, centres that differ by at most `reach` in every column; returns the number of components.

    `component` is numbered by the smallest centre in it. Three `columns` are cut into `n_cells` cells of width `side`,
    which is not below the reach, from `low` on: centres that are near lie in the same cell or in neighbouring ones.
    The others are room: for each centre `place` (3 columns), `cell`, `left`, `where` and `stack`; for each cell `begin`
    (and one more) and `end`.
    """
    n = centres.shape[0]
    component[:] = -1
    _sort_into_cells(centres, columns, low, side, n_cells, place, cell, left, where, begin, end)
    # those not reached yet are left[begin[c]:end[c]]
    found = 0
    for start in range(n):
        if component[start] >= 0:
            continue
        component[start] = found
        c = cell[start]
        end[c] -= 1
        left[where[start]] = left[end[c]]
        where[left[end[c]]] = where[start]
        stack[0] = start
        depth = 1
        while depth > 0:
            depth -= 1
            here = stack[depth]
            for c0 in range(max(place[here, 0] - 1, 0), min(place[here, 0] + 2, n_cells[0])):
                for c1 in range(max(place[here, 1] - 1, 0), min(place[here, 1] + 2, n_cells[1])):
                    for c2 in range(max(place[here, 2] - 1, 0), min(place[here, 2] + 2, n_cells[2])):
                        c = (c0 * n_cells[1] + c1) * n_cells[2] + c2
                        a = begin[c]
                        while a < end[c]:
                            there = left[a]
                            if _is_near(centres[here], centres[there], reach):
                                component[there] = found
                                stack[depth] = there
                                depth += 1
                                end[c] -= 1
                                left[a] = left[end[c]]
                                where[left[a]] = a
                            else:
                                a += 1
        found += 1
    return found


@kernel
def moments(X, mean, squares, low, high):  # type: ignore[no-untyped-def]
    """Mean, sum of squared deviations, minimum and maximum of each column."""
    n, d = X.shape
    for i in range(n):
        for j in range(d):
            value = float(X[i, j])
            mean[j] += value
            low[j] = min(low[j], value)
            high[j] = max(high[j], value)
    for j in range(d):
        mean[j] /= n
    for i in range(n):
        for j in range(d):
            t = X[i, j] - mean[j]
            squares[j] += t * t


@kernel
def add_up(Z, labels, sums, counts):  # type: ignore[no-untyped-def]
    """Add the events to the sums and counts of their labels; negative labels are left out."""
    for i in range(Z.shape[0]):
        c = labels[i]
        if c >= 0:
            counts[c] += 1
            for j in range(Z.shape[1]):
                sums[c, j] += Z[i, j]


@kernel
def assign(Z, centres, labels, distance):  # type: ignore[no-untyped-def]
    """Nearest centre of each event, the first of equals; `centres` is columns x centres, `distance` room for each."""
    d, k = centres.shape
    for i in range(Z.shape[0]):
        for c in range(k):
            t = Z[i, 0] - centres[0, c]
            distance[c] = t * t
        for j in range(1, d):
            value = Z[i, j]
            for c in range(k):
                t = value - centres[j, c]
                distance[c] += t * t
        best = 0
        smallest = distance[0]
        for c in range(1, k):
            if distance[c] < smallest:
                smallest = distance[c]
                best = c
        labels[i] = best


@kernel
def _smallest(values, n, k):  # type: ignore[no-untyped-def]
    """Move the `k` smallest of the first `n` values to the front."""
    low, high = 0, n - 1
    while low < high:
        a, b, c = values[low], values[(low + high) // 2], values[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            return


@kernel
def _sort(values, n):  # type: ignore[no-untyped-def]
    """Sort the first `n` values in place (heap sort)."""
    size = n
    for start in range(n + n // 2 - 1, 0, -1):
        if start >= n:  # build the heap from the last parent on
            at = start - n
        else:  # the largest goes to the end
            values[0], values[start] = values[start], values[0]
            size = start
            at = 0
        moved = values[at]
        child = 2 * at + 1
        while child < size:
            if child + 1 < size and values[child + 1] > values[child]:
                child += 1
            if values[child] <= moved:
                break
            values[at] = values[child]
            at = child
            child = 2 * at + 1
        values[at] = moved


@kernel
def near_energy(points, n, p, k, buffer):  # type: ignore[no-untyped-def]
    """Mean squared distance from `p` to the `k` nearest of the first `n` points (points x columns)."""
    for i in range(n):
        total = 0.0
        for j in range(points.shape[1]):
            t = points[i, j] - p[j]
            total += t * t
        buffer[i] = total
    k = min(k, n)
    _smallest(buffer, n, k)
    _sort(buffer, k)
    total = 0.0
    for i in range(k):
        total += buffer[i]
    return total / k
