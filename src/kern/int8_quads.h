/* int8 with VNNI: words of four bytes. x holds q, 0..255; the zero is taken off with the sums of the weights.
 * Included once by an instruction-set file, after its vec_*.h and its vec_dot_uint8_int8(sum, x, w), which
 * adds the four products of each lane. */
#define INT8_GROUP 4

ALWAYS_INLINE vec vec_load_int8(const void *p)
{
    return vec_load_bytes(p);
}

ALWAYS_INLINE vec vec_dot_int8(vec sum, vec x, vec w)
{
    return vec_dot_uint8_int8(sum, x, w);
}

/* The sum over k of (q - zero) w, of what the steps added up. */
ALWAYS_INLINE vec vec_finish_int8(vec sum, vec zero, vec weight_sums)
{
    return vec_sub_int(sum, vec_mul_int(zero, weight_sums));
}

/* q, cut to 0..255. */
ALWAYS_INLINE void vec_store_row_int8(unsigned char *row, int i, vec q, vec zero)
{
    (void)zero;
    vec_store_uint8(row + i, q);
}
