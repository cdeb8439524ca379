# PP-NAS with every candidate operation: the paper's three, and larger, separable and dilated
# convolutions, which it names as future work (Section V-D).
_base_ = './ppnas_digits.py'
model = dict(
    model=dict(
        backbone=dict(
            ops=('identity', 'conv_1x1', 'conv_3x3', 'conv_5x5', 'dw_conv_3x3', 'dw_conv_5x5',
                 'dilated_conv_3x3'))))
