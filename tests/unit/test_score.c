#include <math.h>

#include "engine/score.h"
#include "unit.h"

static void the_problem_type_picks_the_function(void **state)
{
    (void)state;
    static const struct {
        enum problem_type type;
        int labels;
        enum score_function want;
    } cases[] = {
        {PROBLEM_REGRESSION, 1, SCORE_NONE},      {PROBLEM_REGRESSION, 3, SCORE_NONE},
        {PROBLEM_MULTI_LABEL, 3, SCORE_SIGMOID},  {PROBLEM_SINGLE_LABEL, 1, SCORE_SIGMOID},
        {PROBLEM_UNSET, 1, SCORE_SIGMOID},        {PROBLEM_UNSET, 2, SCORE_SOFTMAX},
        {PROBLEM_SINGLE_LABEL, 3, SCORE_SOFTMAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model_desc desc = {.problem_type = cases[i].type, .label_count = cases[i].labels};
        assert_int_equal(score_function_of(&desc), cases[i].want);
    }
}

static void functions_are_named_in_any_case(void **state)
{
    (void)state;
    enum score_function function;
    assert_true(score_function_parse("SIGMOID", 7, &function));
    assert_int_equal(function, SCORE_SIGMOID);
    assert_true(score_function_parse("None", 4, &function));
    assert_int_equal(function, SCORE_NONE);
    assert_false(score_function_parse("default", 7, &function));
    assert_false(score_function_parse("softma", 6, &function));
}

static void scores_follow_the_formulas(void **state)
{
    (void)state;
    const struct model_desc desc = {.label_count = 3};
    const float logits[] = {1.0f, -2.0f, 100.0f};
    float scores[3];
    score_apply(&desc, SCORE_SOFTMAX, logits, scores);
    assert_float_equal(scores[2], 1.0f, 1e-6f);
    assert_float_equal(scores[0] + scores[1] + scores[2], 1.0f, 1e-6f);
    score_apply(&desc, SCORE_SIGMOID, logits, scores);
    assert_float_equal(scores[0], 0.7310586f, 1e-6f);
    assert_float_equal(scores[2], 1.0f, 1e-6f);
    score_apply(&desc, SCORE_NONE, logits, scores);
    assert_memory_equal(scores, logits, sizeof logits);
}

static void equal_scores_stay_in_id_order(void **state)
{
    (void)state;
    const float scores[] = {0.5f, 0.9f, 0.5f, 0.1f, 0.9f};
    static const int want[] = {1, 4, 0, 2, 3};
    for (int count = 1; count <= 5; count++) {
        int order[5];
        score_rank(scores, 5, order, count);
        assert_memory_equal(order, want, (size_t)count * sizeof *want);
    }
}

static int compared;

static bool rises(const float *scores, int a, int b)
{
    compared++;
    return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
}

/* As often as a heap takes: 4096 x log2(4096) x 2, and as many again to fill it. */
static void the_order_of_thousands_takes_few_comparisons(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float scores[N];
    static int order[N];
    for (int count = 1; count <= N; count *= 8) {
        compared = 0;
        for (int i = 0; i < N; i++)
            scores[i] = (float)((unsigned)i * 2654435761u >> 22);
        score_select(scores, N, order, count, rises);
        assert_true(compared <= 3 * N * 12);
        for (int i = 1; i < count; i++)
            assert_true(rises(scores, order[i - 1], order[i]));
        for (int i = 0, later = 0; i < N; i++) {
            later += rises(scores, i, order[count - 1]);
            assert_true(later < count);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_problem_type_picks_the_function),
        cmocka_unit_test(functions_are_named_in_any_case),
        cmocka_unit_test(scores_follow_the_formulas),
        cmocka_unit_test(equal_scores_stay_in_id_order),
        cmocka_unit_test(the_order_of_thousands_takes_few_comparisons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
