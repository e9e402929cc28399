#!/usr/bin/env python3
"""Writes engine/search/sobol_table.c from the direction numbers that SciPy carries.

They are the published initial numbers of Joe and Kuo ("Constructing Sobol sequences with better
two-dimensional projections", SIAM J. Sci. Comput. 30, 2008); dimension 0 is van der Corput's.
Usage: gen_sobol_table.py [DIMENSIONS] > engine/search/sobol_table.c
"""
import os
import sys

import numpy as np
import scipy.stats


def main():
    dims = int(sys.argv[1]) if len(sys.argv) > 1 else 160
    path = os.path.join(os.path.dirname(scipy.stats.__file__), "_sobol_direction_numbers.npz")
    data = np.load(path)
    print("/* Primitive polynomials and initial direction numbers; written by")
    print(" * tests/num/gen_sobol_table.py. */")
    print("#include <config.h>\n")
    print('#include "search/sobol_table.h"\n')
    print("const struct sobol_row sobol_rows[SOBOL_ROWS] = {")
    for dim in range(1, dims):
        poly = int(data["poly"][dim])
        degree = poly.bit_length() - 1
        numbers = [int(m) for m in data["vinit"][dim][:degree]]
        for k, m in enumerate(numbers):
            assert m % 2 == 1 and m < 2 ** (k + 1)
        print("  { %d, %d, { %s } }," % (degree, poly, ", ".join(map(str, numbers))))
    print("};")


if __name__ == "__main__":
    main()
