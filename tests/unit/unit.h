/* cmocka with what its header needs before it. */
#ifndef LINNET_TESTS_UNIT_H
#define LINNET_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
