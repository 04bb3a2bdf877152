/* linnet_open() where there is no model to open. */
#include <string.h>

#include "linnet.h"
#include "unit.h"

static void assert_refused(const char *directory, const char *kind, const char *words)
{
    linnet_error error = {"", ""};
    assert_null(linnet_open(directory, NULL, &error));
    assert_string_equal(error.kind, kind);
    assert_non_null(strstr(error.message, words));
}

static void no_directory_is_an_error_and_not_a_model_inside_the_library(void **state)
{
    (void)state;
    assert_refused(NULL, "usage", "the directory is NULL");
    assert_refused("", "usage", "the directory is an empty string");
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_refused("/no/such/model", "not_found", "/no/such/model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_directory_is_an_error_and_not_a_model_inside_the_library),
        cmocka_unit_test(a_directory_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
