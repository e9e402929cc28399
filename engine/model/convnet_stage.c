#include <config.h>

#include "model/convnet_stage.h"

#include "model/conv_grid.h"

size_t
convnet_end_floats(const struct convnet *net, size_t stage)
{
  const struct convnet_unit *end = &net->units[net->ends[stage]];
  return end->height * end->width * end->out;
}

size_t
convnet_largest_end(const struct convnet *net)
{
  size_t most = 0;

  for (size_t s = 0; s < net->config.stages; s++)
    most = convnet_end_floats(net, s) > most ? convnet_end_floats(net, s) : most;
  return most;
}

void
convnet_gather_stage(const struct convnet *net, size_t stage, enum kernel_precision precision,
                     size_t n, const void *maps, float *tap, float *features)
{
  const struct convnet_unit *end = &net->units[net->ends[stage]];
  const float *wide = maps;

  if (precision != KERNEL_FP32)
  {
    conv_ops_widen(precision, n * convnet_end_floats(net, stage), maps, tap);
    wide = tap;
  }
  conv_grid_gather(n, end->height, end->width, end->out, net->config.head_grid, wide,
                   net->dense[0].in, features + net->taps[stage]);
}

void
convnet_spread_stage(const struct convnet *net, size_t stage, enum kernel_precision precision,
                     size_t n, const float *dfeatures, float *tap, void *dmaps)
{
  const struct convnet_unit *end = &net->units[net->ends[stage]];
  float *wide = precision == KERNEL_FP32 ? dmaps : tap;

  conv_grid_spread(n, end->height, end->width, end->out, net->config.head_grid,
                   dfeatures + net->taps[stage], net->dense[0].in, wide);
  if (precision != KERNEL_FP32)
    conv_ops_narrow(precision, n * convnet_end_floats(net, stage), wide, dmaps);
}
