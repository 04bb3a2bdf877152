/* What this program is and contains. */
#ifndef LINNET_CLI_VERSION_H
#define LINNET_CLI_VERSION_H

#ifndef LINNET_VERSION
#error "the build defines LINNET_VERSION"
#endif

extern const char embedded_notice[], embedded_license[]; /* the files NOTICE and LICENSE, NUL-terminated */

#endif
