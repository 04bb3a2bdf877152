/* int8 without an instruction for bytes: words of two 16-bit integers, multiplied and added in pairs, so that
 * nothing saturates. x holds q - zero as 16 bits; weights are stored as bytes and widened as they are loaded.
 * Included once by an instruction-set file, after its vec_*.h. */
#define INT8_GROUP 2

ALWAYS_INLINE vec vec_load_int8(const void *p)
{
    return vec_load_int8_pairs(p);
}

ALWAYS_INLINE vec vec_dot_int8(vec sum, vec x, vec w)
{
    return vec_dot_int16_pairs(sum, x, w);
}

/* The sum over k of (q - zero) w, of what the steps added up. */
ALWAYS_INLINE vec vec_finish_int8(vec sum, vec zero, vec weight_sums)
{
    (void)zero;
    (void)weight_sums;
    return sum;
}

/* q, cut to 0..255. */
ALWAYS_INLINE void vec_store_row_int8(unsigned char *row, int i, vec q, vec zero)
{
    vec_store_int16(row + 2 * (size_t)i, vec_sub_int(vec_clamp_int(q, 0, 255), zero));
}
