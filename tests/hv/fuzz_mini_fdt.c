/* SPDX-License-Identifier: MIT */
/* Device trees that lie, to our guest kernel: its reader on the host, over a copy that is as long
 * as the input and no longer. The VMM itself reads none: it writes the guest's. */
#include <stdlib.h>

#include "fuzz_bytes.h"
#include "guest/mini/kernel.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot boot;
    uint8_t *tree = malloc(size ? size : 1);
    MUST(tree);
    memcpy(tree, data, size);
    boot = (struct boot){.ram_end = 0};
    if (boot_read(tree, (uint32_t)size, &boot))
        MUST(boot.ram_end != 0 && boot.fdt == (uint64_t)tree);
    MUST(boot_number(&boot, "NONE", 7) == 7 || boot.append[0]);
    (void)boot_is(&boot, "HV_WORKLOAD", "idle");
    free(tree);
    return 0;
}
