/* folder.h - the temporary folder: filling it, and removing it. 0 or a negative errno. */
#ifndef ZKBOX_FOLDER_H
#define ZKBOX_FOLDER_H

/* Removes the folder with all that is in it; links are removed, never followed. One that is not
 * there is fine. Async-signal-safe, and needs no memory: the guardian calls it after fork. */
int folder_remove(const char *path);

/* Makes the file anew with this text. */
int folder_write(const char *path, const char *text);

/* Copies the plain files that stand directly in `from` into the folder `to`. */
int folder_copy_files(const char *from, const char *to);

#endif
