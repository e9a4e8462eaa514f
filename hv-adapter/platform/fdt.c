/* SPDX-License-Identifier: MIT */
/* The device tree. See fdt.h. Source: Devicetree Specification 0.3; Linux's bindings for the nodes.
 */
#include "platform/fdt.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "charges.h"
#include "memory/guest_map.h"
#include "platform/plic.h"

enum { PHANDLE_CPU_INTC = 1, PHANDLE_PLIC = 2, IRQ_EXTERNAL = 9 };

/* libfdt's writers return 0 or an error; the first error stays. */
static void note(int *error, int result)
{
    if (*error == 0)
        *error = result;
}

static void reg(void *blob, int *error, uint64_t base, uint64_t nbytes)
{
    uint64_t cells[2] = {cpu_to_fdt64(base), cpu_to_fdt64(nbytes)};
    note(error, fdt_property(blob, "reg", cells, sizeof cells));
}

static void cells(void *blob, int *error, unsigned address, unsigned size)
{
    note(error, fdt_property_u32(blob, "#address-cells", address));
    note(error, fdt_property_u32(blob, "#size-cells", size));
}

static void chosen(const struct hv_fdt *what, void *blob, int *error)
{
    note(error, fdt_begin_node(blob, "chosen"));
    note(error, fdt_property(blob, "bootargs", what->append, (int)strlen(what->append) + 1));
    note(error, fdt_property(blob, "rng-seed", what->rng_seed, 32));
    if (what->initrd_begin != what->initrd_end) {
        note(error, fdt_property_u64(blob, "linux,initrd-start", what->initrd_begin));
        note(error, fdt_property_u64(blob, "linux,initrd-end", what->initrd_end));
    }
    note(error, fdt_end_node(blob));
}

static void cpu(const struct hv_fdt *what, void *blob, int *error)
{
    note(error, fdt_begin_node(blob, "cpus"));
    cells(blob, error, 1, 0);
    note(error, fdt_property_u32(blob, "timebase-frequency", (uint32_t)HV_TIME_HZ));
    note(error, fdt_begin_node(blob, "cpu@0"));
    note(error, fdt_property_string(blob, "device_type", "cpu"));
    note(error, fdt_property_u32(blob, "reg", 0));
    note(error, fdt_property_string(blob, "compatible", "riscv"));
    note(error, fdt_property(blob, "riscv,isa", what->isa, (int)strlen(what->isa) + 1));
    note(error, fdt_property_string(blob, "mmu-type", "riscv,sv39"));
    note(error, fdt_property_string(blob, "status", "okay"));
    note(error, fdt_begin_node(blob, "interrupt-controller"));
    note(error, fdt_property_string(blob, "compatible", "riscv,cpu-intc"));
    note(error, fdt_property_u32(blob, "#interrupt-cells", 1));
    note(error, fdt_property(blob, "interrupt-controller", NULL, 0));
    note(error, fdt_property_u32(blob, "phandle", PHANDLE_CPU_INTC));
    for (int node = 0; node < 3; node++)
        note(error, fdt_end_node(blob));
}

static void memory(const struct hv_fdt *what, void *blob, int *error)
{
    note(error, fdt_begin_node(blob, "memory@80000000"));
    note(error, fdt_property_string(blob, "device_type", "memory"));
    reg(blob, error, what->ram_base, what->ram_nbytes);
    note(error, fdt_end_node(blob));
}

static void plic(void *blob, int *error)
{
    uint32_t to[2] = {cpu_to_fdt32(PHANDLE_CPU_INTC), cpu_to_fdt32(IRQ_EXTERNAL)};
    note(error, fdt_begin_node(blob, "interrupt-controller@c000000"));
    note(error, fdt_property_string(blob, "compatible", "sifive,plic-1.0.0"));
    reg(blob, error, HV_PLIC_BASE, HV_PLIC_NBYTES);
    note(error, fdt_property(blob, "interrupts-extended", to, sizeof to));
    note(error, fdt_property_u32(blob, "#interrupt-cells", 1));
    note(error, fdt_property_u32(blob, "#address-cells", 0));
    note(error, fdt_property(blob, "interrupt-controller", NULL, 0));
    note(error, fdt_property_u32(blob, "riscv,ndev", HV_PLIC_SOURCES - 1));
    note(error, fdt_property_u32(blob, "phandle", PHANDLE_PLIC));
    note(error, fdt_end_node(blob));
}

static void virtio(void *blob, int *error)
{
    for (unsigned i = 0; i < HV_VIRTIO_SLOTS; i++) {
        uint64_t base = HV_VIRTIO_BASE + i * HV_VIRTIO_STEP;
        char name[32];
        snprintf(name, sizeof name, "virtio_mmio@%llx", (unsigned long long)base);
        note(error, fdt_begin_node(blob, name));
        note(error, fdt_property_string(blob, "compatible", "virtio,mmio"));
        reg(blob, error, base, HV_VIRTIO_STEP);
        note(error, fdt_property_u32(blob, "interrupts", i + 1));
        note(error, fdt_property_u32(blob, "interrupt-parent", PHANDLE_PLIC));
        note(error, fdt_end_node(blob));
    }
}

int hv_fdt_build(const struct hv_fdt *what, void *blob)
{
    int error = fdt_create(blob, HV_FDT_MAX);
    note(&error, fdt_finish_reservemap(blob));
    note(&error, fdt_begin_node(blob, ""));
    cells(blob, &error, 2, 2);
    note(&error, fdt_property_string(blob, "compatible", "riscv-virtio"));
    note(&error, fdt_property_string(blob, "model", "libshare,tiny-vmm"));
    chosen(what, blob, &error);
    cpu(what, blob, &error);
    memory(what, blob, &error);
    note(&error, fdt_begin_node(blob, "soc"));
    cells(blob, &error, 2, 2);
    note(&error, fdt_property_string(blob, "compatible", "simple-bus"));
    note(&error, fdt_property(blob, "ranges", NULL, 0));
    plic(blob, &error);
    virtio(blob, &error);
    note(&error, fdt_end_node(blob));
    note(&error, fdt_end_node(blob));
    note(&error, fdt_finish(blob));
    return error;
}
