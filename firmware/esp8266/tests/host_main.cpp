#include <stdio.h>

#include "check.h"

void test::say(const char *text) { fputs(text, stdout); }

int main() { return test::runAll(200000); }
