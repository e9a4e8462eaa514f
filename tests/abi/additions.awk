# SPDX-License-Identifier: MIT
# Reads what `abidiff --leaf-changes-only --no-added-syms` reports and prints what is no addition; exits 1 if there
# is any. Additions are: names in an enum; members at the end of a struct that crosses with its size.
BEGIN {
    split("ops alloc observer event config scan_report stats vm_usage page_info check_report", names)
    for (i in names)
        sized["share_" names[i]] = 1
}
/^$/ || /^(Leaf|Changed leaf|Removed\/Changed\/Added)/ { next } # sums
/^'.*' changed:$/ {
    what = $0
    struct = $1 == "'struct" ? substr($2, 1, length($2) - 1) : ""
    old_nbits = -1
    next
}
/^  type size changed from [0-9]+ to [0-9]+ / && (struct in sized) { old_nbits = $5; next }
/^  [0-9]+ data member insertions?:$/ && (struct in sized) { next }
/^    '.*', at offset [0-9]+ \(in bits\)$/ && old_nbits >= 0 && $(NF - 2) + 0 >= old_nbits + 0 { next }
/^  type size hasn't changed$/ { next }
/^  [0-9]+ enumerator insertions?:$/ || /^    '.*' value '[0-9]+'$/ { next }
/^  1 enumerator change:$/ { next } # which one comes next
/^    'share_outcome::SHARE_OUTCOMES' from value / { next }
{
    if (what != "")
        print what
    what = ""
    print
    bad = 1
}
END { exit bad }
