/* SPDX-License-Identifier: MIT */
/* Names of any bytes become printable text, cut at whole characters. */
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *from, size_t chars, const char *expected, size_t expected_chars)
{
    char to[32];
    assert_int_equal(text_clean(to, sizeof to, from, chars), expected_chars);
    assert_string_equal(to, expected);
}

static void printable_text_stays(void **state)
{
    (void)state;
    check("", 9, "", 0);
    check("vm1 \"a\\b\" %s", 99, "vm1 \"a\\b\" %s", 12);
    check("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", 3);
}

static void control_characters_go(void **state)
{
    (void)state;
    check("a\nb\033[1m\x7f", 99, "a?b?[1m?", 8);
    check(
        "\xc2\x9b"
        "31m",
        99, "?31m", 4); /* U+009B begins a terminal's command, too */
}

static void bytes_that_are_no_utf8_go(void **state)
{
    (void)state;
    check("\xff\xfe\xe9", 9, "???", 3);
    check("\xc3", 9, "?", 1);                /* cut short */
    check("\xe2\x82z", 9, "??z", 3);         /* cut short by another character */
    check("\xc0\x80\xc1\xbf", 9, "????", 4); /* longer than need be */
    check("\xe0\x80\xaf", 9, "???", 3);
    check("\xed\xa0\x80", 9, "???", 3); /* half a pair */
    check("\xf4\x90\x80\x80", 9, "????", 4);
    check("\xf8\x88\x80\x80\x80", 9, "?????", 5);
}

static void cut_at_whole_characters(void **state)
{
    (void)state;
    char to[4];
    check("\xc3\xa4\xc3\xb6\xc3\xbc", 2, "\xc3\xa4\xc3\xb6", 2);
    assert_int_equal(text_clean(to, sizeof to, "a\xc3\xa4\xc3\xb6", 9), 2);
    assert_string_equal(to, "a\xc3\xa4");
    assert_int_equal(text_clean(to, 1, "a", 9), 0);
    assert_string_equal(to, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_stays),
        cmocka_unit_test(control_characters_go),
        cmocka_unit_test(bytes_that_are_no_utf8_go),
        cmocka_unit_test(cut_at_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
