/* SPDX-License-Identifier: MIT */
/* Threads that own no guest: one random step each. */
#ifndef OTHERS_H
#define OTHERS_H

void others_scan(void);
void others_call(void); /* any call for any page of any VM */
void others_audit(void);

#endif
