/** Links in the file system. */

/** As many as the kernel follows on the way to a file (path_resolution(7)). */
export const MAX_LINKS = 40;
