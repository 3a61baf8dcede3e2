/* Numbers as decimal text, by integer arithmetic. */
#include "server/decimal.h"

#include <math.h>
#include <string.h>

static const double bound = 1e12;

/* The digits of a number, at least `least` of them; returns their end. */
static char *put_digits(char *text, unsigned long long number, int least) {
    char digits[24];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || count < least);
    while (count > 0)
        *text++ = digits[--count];
    *text = '\0';
    return text;
}

char *spot_decimal_whole(char *text, long long value) {
    unsigned long long magnitude = (unsigned long long)value;
    if (value < 0) {
        *text++ = '-';
        magnitude = 0ULL - magnitude;
    }
    return put_digits(text, magnitude, 1);
}

char *spot_decimal(char *text, double value, int decimals) {
    unsigned long long steps = 1;
    for (int i = 0; i < decimals; i++)
        steps *= 10;
    double magnitude = isnan(value) ? 0 : fmin(fabs(value), bound);
    unsigned long long scaled = (unsigned long long)round(magnitude * (double)steps);
    if (value < 0 && scaled > 0)
        *text++ = '-';
    text = put_digits(text, scaled / steps, 1);
    *text++ = '.';
    text = put_digits(text, scaled % steps, decimals);
    while (text[-1] == '0' && text[-2] != '.')
        text--;
    *text = '\0';
    return text;
}
