/* Coverage of the compiled framing for libFuzzer, with gcc: it knows `-fsanitize-coverage=trace-pc`, libFuzzer
 * takes counters. Each call site of the callback counts in a slot of its own, by its distance from this file. */

#include <stdint.h>

#define SLOTS 32768

static uint8_t counters[SLOTS];
static uintptr_t places[2 * SLOTS];

__attribute__((visibility("hidden"), no_sanitize("coverage"))) void __sanitizer_cov_trace_pc(void)
{
    uintptr_t distance = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&__sanitizer_cov_trace_pc;

    uint8_t *counter = &counters[(distance * 0x9e3779b97f4a7c15u) >> 49];
    *counter += *counter < 255;
}

__attribute__((visibility("default"))) uint8_t *fuzz_counters(void) { return counters; }

__attribute__((visibility("default"))) uintptr_t *fuzz_places(void) { return places; }

__attribute__((visibility("default"))) int fuzz_slots(void) { return SLOTS; }
