/* Functions of the normal distribution that C11 lacks or that lose all digits in the tail.
 * Pure; free to call from any thread.
 */
#ifndef ATTUNE_SEARCH_SPECIAL_H
#define ATTUNE_SEARCH_SPECIAL_H

/* exp(x²)·erfc(x), relative error below 1e-14 for x ≥ −5; overflows to infinity below about −26.6. */
double special_erfcx(double x);

/* log(φ(z) + z·Φ(z)), the logarithm of the expected improvement of a standard normal, accurate for
 * every finite z (Ament et al., "Unexpected improvements to expected improvement", 2023, for the form
 * used in the tail). */
double special_log_ei(double z);

/* log Φ(z) without loss in the tail; its derivative φ(z)/Φ(z) goes to *slope. */
double special_log_cdf(double z, double *slope);

/* The derivative of special_log_ei, Φ(z) / (φ(z) + z·Φ(z)). */
double special_log_ei_slope(double z);

#endif
