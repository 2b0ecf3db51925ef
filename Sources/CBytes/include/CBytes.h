// Searching bytes sixteen at a time, which Swift has no instruction for. Every function looks at the bytes from `from` up to
// `count`, reads nothing beyond, and returns the offset of the first byte that it looks for, or `count`.
//
// On processors without SSE2 the plain loops do all of it.
#pragma once
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// The first byte that may not stand in a field value: a control character other than HTAB (RFC 9110 §5.5).
static inline long cbytes_first_non_value(const void *bytes, long from, long count) {
    const unsigned char *p = (const unsigned char *)bytes;
#if defined(__SSE2__)
    for (; from + 16 <= count; from += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + from));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
        __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
        __m128i delete = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), delete));
        if (found) return from + __builtin_ctz((unsigned)found);
    }
#endif
    for (; from < count; from++) {
        if ((p[from] < 0x20 && p[from] != '\t') || p[from] == 0x7f) return from;
    }
    return count;
}

/// The first byte that is neither a letter nor a hyphen, as nearly all names of fields are.
static inline long cbytes_first_non_letter(const void *bytes, long from, long count) {
    const unsigned char *p = (const unsigned char *)bytes;
#if defined(__SSE2__)
    for (; from + 16 <= count; from += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + from));
        __m128i offset = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(25)), offset);
        __m128i hyphen = _mm_cmpeq_epi8(v, _mm_set1_epi8('-'));
        int found = ~_mm_movemask_epi8(_mm_or_si128(letter, hyphen)) & 0xffff;
        if (found) return from + __builtin_ctz((unsigned)found);
    }
#endif
    for (; from < count; from++) {
        if ((unsigned char)((p[from] | 0x20) - 'a') > 25 && p[from] != '-') return from;
    }
    return count;
}

/// The first byte that ends an ordinary request target, or makes it an unusual one: anything but visible ASCII, `#`, and the
/// `%` of an encoded byte, whose digits have to be checked.
static inline long cbytes_first_non_target(const void *bytes, long from, long count) {
    const unsigned char *p = (const unsigned char *)bytes;
#if defined(__SSE2__)
    for (; from + 16 <= count; from += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + from));
        __m128i offset = _mm_sub_epi8(v, _mm_set1_epi8(0x21));
        __m128i visible = _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(0x5d)), offset);
        __m128i hash = _mm_cmpeq_epi8(v, _mm_set1_epi8('#'));
        __m128i percent = _mm_cmpeq_epi8(v, _mm_set1_epi8('%'));
        int found = (~_mm_movemask_epi8(visible) & 0xffff) | _mm_movemask_epi8(_mm_or_si128(hash, percent));
        if (found) return from + __builtin_ctz((unsigned)found);
    }
#endif
    for (; from < count; from++) {
        if ((unsigned char)(p[from] - 0x21) > 0x5d || p[from] == '#' || p[from] == '%') return from;
    }
    return count;
}
