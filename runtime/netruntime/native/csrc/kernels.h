/* The list of kernels. Each is compiled once for every instruction set, with the set's name at the end of its own. */
#pragma once
#include "native.h"

#define EACH_KERNEL(DO)                                                \
  DO(activate)                                                         \
  DO(activate_image)                                                   \
  DO(activation_gradient)                                              \
  DO(append)                                                           \
  DO(attention)                                                        \
  DO(attention_gradient)                                               \
  DO(avg_pool)                                                         \
  DO(binary)                                                           \
  DO(cast)                                                             \
  DO(channel_sums)                                                     \
  DO(clear)                                                            \
  DO(clear_border)                                                     \
  DO(combine_images)                                                   \
  DO(compare)                                                          \
  DO(conv)                                                             \
  DO(conv_map)                                                         \
  DO(conv_weight_gradient)                                             \
  DO(copy)                                                             \
  DO(copy_strides)                                                     \
  DO(depthwise)                                                        \
  DO(gather)                                                           \
  DO(gather_elements)                                                  \
  DO(gather_elements_gradient)                                         \
  DO(gather_gradient)                                                  \
  DO(gather_windows)                                                   \
  DO(global_avg_pool)                                                  \
  DO(group_norm)                                                       \
  DO(gru)                                                              \
  DO(gru_gates)                                                        \
  DO(image_gradient)                                                   \
  DO(join_channel_sums)                                                \
  DO(l2_normalize)                                                     \
  DO(layer_norm)                                                       \
  DO(layer_norm_gradient)                                              \
  DO(linear)                                                           \
  DO(local_response_norm)                                              \
  DO(local_response_norm_gradient)                                     \
  DO(logical)                                                          \
  DO(lstm)                                                             \
  DO(matmul)                                                           \
  DO(matmul_columns)                                                   \
  DO(max_pool)                                                         \
  DO(max_pool_gradient)                                                \
  DO(norm_apply)                                                       \
  DO(norm_flow)                                                        \
  DO(norm_flow_sums)                                                   \
  DO(norm_input_gradient)                                              \
  DO(norm_moments)                                                     \
  DO(norm_statistics)                                                  \
  DO(pack)                                                             \
  DO(pack_stack)                                                       \
  DO(pack_taps)                                                        \
  DO(pad_planes)                                                       \
  DO(pool_spread)                                                      \
  DO(reduce)                                                           \
  DO(rnn)                                                              \
  DO(softmax)                                                          \
  DO(softmax_gradient)                                                 \
  DO(sum_rows)                                                         \
  DO(to_blocked)                                                       \
  DO(to_plain)                                                         \
  DO(unpack_taps)                                                      \
  DO(update_adam)                                                      \
  DO(update_sgd)                                                      \
  DO(where)                                                            \
  DO(winograd)                                                         \
  DO(winograd_inputs)                                                  \
  DO(winograd_outputs)                                                 \
  DO(winograd_products)                                                \
  DO(winograd_weights)

#define JOINED(name, isa) nd_##name##_##isa
#define EXPANDED(name, isa) JOINED(name, isa)
#define NATIVE(name) EXPANDED(name, ISA)

#define DECLARE(name) void NATIVE(name)(const Arguments *arguments, int64_t begin, int64_t end);
EACH_KERNEL(DECLARE)
#undef DECLARE
