#!/usr/bin/env python3
"""Writes tests/num/special_numbers.h: erfcx and the log of the expected improvement to 60 digits
(mpmath). Usage: gen_special.py > tests/num/special_numbers.h"""
from mpmath import mp, mpf, erfc, exp, log, sqrt, pi

mp.dps = 60


def cdf(z):
    return erfc(-z / sqrt(mpf(2))) / 2


def pdf(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def tail(z):
    """φ(z) + zΦ(z) with enough digits for what cancels."""
    mp.dps = 60 + int(4 * max(1, log(abs(z) + 2)))
    return pdf(z) + z * cdf(z)


def main():
    print("/* Written by tests/num/gen_special.py. */\n#ifndef ATTUNE_TESTS_NUM_SPECIAL_NUMBERS_H")
    print("#define ATTUNE_TESTS_NUM_SPECIAL_NUMBERS_H\n")
    print("/* x, exp(x²)·erfc(x) */\nstatic const double erfcx_numbers[][2] = {")
    for text in ["-5", "-2.5", "-1", "-0.1", "0", "1e-8", "0.3", "1", "2.75", "5", "7.3", "9.99", "10",
                 "10.5", "17", "26", "27", "100", "1e5", "1e10"]:
        x = mpf(float(text))
        print("  { %s, %s }," % (text, mp.nstr(exp(x * x) * erfc(x), 20)))
    print("};\n\n/* z, log(φ(z) + z·Φ(z)), Φ(z)/(φ(z) + z·Φ(z)) */")
    print("static const double log_ei_numbers[][3] = {")
    for text in ["30", "8", "3", "1", "0.2", "0", "-0.5", "-0.999", "-1", "-1.001", "-2", "-4", "-8", "-15",
                 "-19.9", "-20", "-20.1", "-30", "-40", "-100", "-1000", "-9999", "-10001", "-1e5",
                 "-1e8"]:
        z = mpf(float(text))
        h = tail(z)
        print("  { %s, %s, %s }," % (text, mp.nstr(log(h), 20), mp.nstr(cdf(z) / h, 20)))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
