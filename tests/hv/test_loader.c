/* SPDX-License-Identifier: MIT */
/* What the loader takes, and what it says of images that lie: one line that names the file. */
#include "rig.h"

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 8 << 20 };

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segment[2];
    uint8_t code[64];
};

static struct image good_elf(void)
{
    struct image image = {
        .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
                   .e_type = ET_EXEC,
                   .e_machine = EM_RISCV,
                   .e_entry = 0xffffffff80000004,
                   .e_phoff = offsetof(struct image, segment),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 2},
        .segment = {{.p_type = PT_NOTE, .p_offset = UINT64_MAX},
                    {.p_type = PT_LOAD,
                     .p_offset = offsetof(struct image, code),
                     .p_vaddr = 0xffffffff80000000,
                     .p_paddr = HV_RAM_BASE + 0x200000,
                     .p_filesz = sizeof image.code,
                     .p_memsz = 0x3000}},
    };
    memset(image.code, 0x5a, sizeof image.code);
    return image;
}

/* A new VM with this kernel, or NULL and *error. */
static struct hv_vm *load_as(struct hv_world *world, bool para, const void *bytes, size_t nbytes,
                             const char *append, struct hv_error *error)
{
    char path[32];
    int file = memfd_create("image", MFD_CLOEXEC);
    assert_true(file >= 0 && write(file, bytes, nbytes) == (ssize_t)nbytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct hv_vm_config config = {
        .memory_bytes = MEMORY, .kernel = path, .append = append, .seed = 1, .para = para};
    struct hv_vm *vm = hv_vm_new(world, &config, error);
    close(file);
    return vm;
}

static struct hv_vm *load(struct hv_world *world, const void *bytes, size_t nbytes,
                          const char *append, struct hv_error *error)
{
    return load_as(world, false, bytes, nbytes, append, error);
}

static void an_elf_program_goes_where_it_says(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct hv_world *world = rig_world(true, 1);
    struct image image = good_elf();
    uint8_t bytes[sizeof image.code];
    struct hv_vm *vm = load(world, &image, sizeof image, NULL, &error);
    assert_string_equal(error.text, "");
    assert_non_null(vm);
    assert_true(hv_guest_read(vm, HV_RAM_BASE + 0x200000, bytes, sizeof bytes));
    assert_memory_equal(bytes, image.code, sizeof bytes);
    assert_int_equal(hv_hart_pc(vm->hart), HV_RAM_BASE + 0x200004); /* the entry's physical place */
    assert_int_equal(vm->map.present_pages, 1 + 4); /* bss stays absent; the device tree */
    hv_world_free(world);
}

static void refused(const struct image *image, size_t nbytes, const char *expected)
{
    struct hv_error error = {""};
    struct hv_world *world = rig_world(true, 1);
    for (unsigned para = 0; para < 2; para++) {
        assert_null(load_as(world, para, image, nbytes, NULL, &error));
        if (!strstr(error.text, expected) || strchr(error.text, '\n'))
            fail_msg("expected \"%s\", found \"%s\"", expected, error.text);
        assert_int_equal(hv_machine_used(&world->commons.machine),
                         0); /* nothing is left of the VM */
    }
    hv_world_free(world);
}

static void elf_programs_that_lie(void **state)
{
    (void)state;
    struct image image = good_elf();
    refused(&image, 10, "shorter than its header");
    image.header.e_machine = EM_X86_64;
    refused(&image, sizeof image, "not 64-bit RISC-V");
    image = good_elf();
    image.header.e_phoff = UINT64_MAX - 8;
    refused(&image, sizeof image, "program headers lie outside");
    image = good_elf();
    image.header.e_phnum = 60;
    refused(&image, sizeof image, "program headers lie outside");
    image = good_elf();
    image.header.e_phnum = 0;
    refused(&image, sizeof image, "no segment to load");
    image = good_elf();
    image.segment[1].p_filesz = UINT64_MAX;
    refused(&image, sizeof image, "a segment lies outside");
    image = good_elf();
    image.segment[1].p_memsz = 8;
    refused(&image, sizeof image, "a segment lies outside");
    image = good_elf();
    image.segment[1].p_paddr = 0x1000;
    refused(&image, sizeof image, "at 0x1000, the guest's memory is 8 MiB at 0x80000000");
    image = good_elf();
    image.segment[1].p_paddr = UINT64_MAX - 100;
    refused(&image, sizeof image, "the guest's memory is");
    image = good_elf();
    image.segment[1].p_memsz = MEMORY;
    refused(&image, sizeof image, "the guest's memory is");
    image = good_elf();
    image.segment[1].p_memsz = MEMORY - 0x200000; /* all the rest */
    refused(&image, sizeof image, "no room for a device tree");
}

/* A Linux Image's header: its magic at 0x38, its size in memory at 16. */
static void linux_image(uint8_t bytes[128], uint64_t size)
{
    memset(bytes, 0, 128);
    memcpy(bytes + 0x38, "RSC\x05", 4);
    memcpy(bytes + 16, &size, sizeof size);
}

static void linux_images(void **state)
{
    (void)state;
    struct hv_error error = {""};
    uint8_t bytes[128], back[128];
    struct image as_image;
    linux_image(bytes, 0x10000);
    struct hv_world *world = rig_world(true, 1);
    struct hv_vm *vm = load(world, bytes, sizeof bytes, "quiet", &error);
    assert_non_null(vm);
    assert_int_equal(hv_hart_pc(vm->hart), HV_RAM_BASE);
    assert_true(hv_guest_read(vm, HV_RAM_BASE, back, sizeof back));
    assert_memory_equal(bytes, back, sizeof back);
    hv_world_free(world);
    static const uint64_t lies[] = {MEMORY + 1, UINT64_MAX, UINT64_MAX - HV_RAM_BASE + 1};
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
        linux_image(bytes, lies[i]);
        memcpy(&as_image, bytes, sizeof bytes);
        refused(&as_image, sizeof bytes, "the guest's memory is");
    }
    linux_image(bytes, MEMORY);
    memcpy(&as_image, bytes, sizeof bytes);
    refused(&as_image, sizeof bytes, "no room for a device tree");
    refused(&as_image, 0, "is empty");
}

static void a_command_line_has_its_limit(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct image image = good_elf();
    struct hv_world *world = rig_world(true, 1);
    char *append = malloc(20000);
    assert_non_null(append);
    memset(append, 'x', 19999);
    append[19999] = 0;
    assert_null(load(world, &image, sizeof image, append, &error));
    assert_non_null(strstr(error.text, "command line is too long"));
    append[10000] = 0;
    assert_non_null(load(world, &image, sizeof image, append, &error));
    free(append);
    hv_world_free(world);
}

static void files_that_are_not_there(void **state)
{
    (void)state;
    struct hv_error error = {""};
    struct hv_world *world = rig_world(false, 1);
    struct hv_vm_config config = {.memory_bytes = MEMORY, .kernel = "/nowhere/Image"};
    assert_null(hv_vm_new(world, &config, &error));
    assert_string_equal(error.text, "/nowhere/Image: cannot be read: No such file or directory");
    config.kernel = "/";
    assert_null(hv_vm_new(world, &config, &error));
    assert_string_equal(error.text, "/: cannot be read: Is a directory");
    config.memory_bytes = MEMORY + 1;
    assert_null(hv_vm_new(world, &config, &error));
    assert_non_null(strstr(error.text, "not 8388609 bytes"));
    hv_world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_elf_program_goes_where_it_says),
        cmocka_unit_test(elf_programs_that_lie),
        cmocka_unit_test(linux_images),
        cmocka_unit_test(a_command_line_has_its_limit),
        cmocka_unit_test(files_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
