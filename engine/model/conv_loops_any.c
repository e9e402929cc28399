#include <config.h>

#define CONV_DEFINE(name, params, args) SIMD_DEFINE(static, name, params, args)
#define CONV_TABLE const struct conv_loops conv_loops_any

#include "model/conv_loops_body.h"
