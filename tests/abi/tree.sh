# SPDX-License-Identifier: MIT
# For the scripts beside it: copies of the library's sources, changed and built.

# copy_sources SOURCE TREE
copy_sources() {
    rm -rf "$2"
    mkdir -p "$2/include"
    cp -R "$1/CMakeLists.txt" "$1/cmake" "$1/libshare" "$2"
}

# plant TREE CHANGE: changes the copy; fails if what it changes is not there
plant() {
    header=$1/libshare/share.h
    cp "$header" "$1/before"
    case $2 in
    function_added)
        sed -i 's/^SHARE_API const char \*share_version(void);$/&\nSHARE_API int share_planted(void);/' "$header"
        echo 'int share_planted(void) { return 0; }' >>"$1/libshare/engine.c"
        ;;
    ends_grown) # two outcomes more, and four members more in each struct that grows
        sed -i -e 's/^    SHARE_OUTCOMES$/    SHARE_PLANTED_1, SHARE_PLANTED_2,\n&/' \
            -e '/^struct share_\(config\|alloc\|observer\|stats\|scan_report\|vm_usage\|page_info\|check_report\) {$/,/^};$/{
                s/^};$/    uint64_t planted[4];\n&/
            }' "$header"
        ;;
    function_removed) sed -i 's/^SHARE_API \(const char \*share_version(void);\)$/\1/' "$header" ;;
    member_in_the_middle) # and at the end
        sed -i -e 's/^    uint64_t breaks_copied;/    uint64_t planted;\n&/' \
            -e '/^struct share_stats {$/,/^};$/s/^};$/    uint64_t planted_end;\n&/' "$header"
        ;;
    member_narrowed) sed -i '/^    uint64_t order_seed;/s/uint64_t/uint32_t/' "$header" ;;
    element_grown) # of a vector that ops get
        sed -i '/^struct share_remap {$/,/^};$/s/^};$/    uint64_t planted;\n&/' "$header"
        ;;
    outcomes_renumbered) sed -i 's/^    SHARE_PROMOTED,/    SHARE_PLANTED,\n&/' "$header" ;;
    sizes_ignored) # by the library, when it fills a struct of the caller's
        header=$1/libshare/sized.h
        cp "$header" "$1/before"
        sed -i -e 's/size_t both = .*/size_t both = from_nbytes + 0 * to_nbytes;/' -e '/memset/d' "$header"
        ;;
    esac
    ! cmp -s "$header" "$1/before" || {
        echo "$2: the sources have changed, and tests/abi/tree.sh finds no more what it changes"
        return 1
    }
}

# build_library TREE: its shared library with what debuggers know, as TREE/libshare.so.0.2
build_library() {
    cp "$1/libshare/share.h" "$1/include"
    if cmake -S "$1" -B "$1/build" -DSHARE_LIBRARY_ONLY=ON -DCMAKE_BUILD_TYPE=Debug \
        -DCMAKE_C_FLAGS="-w -ffile-prefix-map=$1/=" >"$1/log" 2>&1 &&
        cmake --build "$1/build" --target share -j 2 >>"$1/log" 2>&1; then
        ln -sf build/libshare/libshare.so.0.2 "$1/libshare.so.0.2"
        return 0
    fi
    tail -n 30 "$1/log"
    return 1
}

# describe TREE: what programs see of its library, as XML. Types are those of the public header;
# without hashes for type numbers abidiff 2.2 stumbles over what abidw 2.2 writes.
describe() {
    abidw --headers-dir "$1/include" --drop-private-types --exported-interfaces-only --type-id-style hash \
        --no-show-locs --no-comp-dir-path --no-corpus-path "$1/libshare.so.0.2"
}
