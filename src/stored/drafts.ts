/** Which messages are drafts: what their owner goes on writing, and what a client opens to be edited. */

const FOLDER = /(^|\.)drafts$/i;
const FLAG = /:2,[A-Za-z]*D/;

/** Tells it by the name of its file, or of the directory of its folder, such as `.Drafts`. */
export function isDraft(directory: string, name: string): boolean {
  return FLAG.test(name) || FOLDER.test(directory);
}
