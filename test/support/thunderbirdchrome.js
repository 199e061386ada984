// What thunderbird.ts has Thunderbird do: these functions run inside it, with its own modules and in its main
// window. Each gets one value and returns another.

/* global Cc, Ci, ChromeUtils, IOUtils, PathUtils, Services, window */

const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');
const OPENPGP = 'chrome://openpgp/content/modules';
const { RNP } = ChromeUtils.importESModule(`${OPENPGP}/RNP.sys.mjs`);
const { EnigmailKeyRing } = ChromeUtils.importESModule(`${OPENPGP}/keyRing.sys.mjs`);
const { PgpSqliteDb2 } = ChromeUtils.importESModule(`${OPENPGP}/sqliteDb.sys.mjs`);

const PATIENCE_MS = 45_000;

/** Waits until `look` returns something, and returns that. */
async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) {
      const windows = [...Services.wm.getEnumerator(null)].map(({ document }) => document.title);
      throw new Error(`not so in Thunderbird: ${what}; its windows: ${windows.join(', ')}`);
    }
    await new Promise((resolve) => window.setTimeout(resolve, 50));
  }
}

/** Returns the fingerprint of the only key of an import. */
function imported(result) {
  if (result.exitCode !== 0 || result.importedKeys.length !== 1) throw new Error(result.errorMsg);
  EnigmailKeyRing.clearCache();
  return EnigmailKeyRing.getKeyById(result.importedKeys[0]).fpr;
}

const actions = {
  /** Makes an account for IMAP, whose owner may have a secret key. Without `smtpPort` nothing is sent with it. */
  async addAccount({ address, password, hostname, port, isTls, secretKey, smtpPort }) {
    const server = MailServices.accounts.createIncomingServer(address, hostname, 'imap');
    server.port = port;
    server.socketType = isTls ? Ci.nsMsgSocketType.SSL : Ci.nsMsgSocketType.plain;
    server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
    server.password = password;
    const identity = MailServices.accounts.createIdentity();
    identity.email = address;
    identity.fullName = address;
    if (secretKey !== undefined) {
      const fingerprint = imported(await RNP.importSecKeyBlockImpl(null, null, false, secretKey));
      await PgpSqliteDb2.updateAcceptance(fingerprint, null, 'personal');
      identity.setUnicharAttribute('openpgp_key_id', fingerprint.slice(-16));
    }
    identity.smtpServerKey = outgoing(smtpPort).key;
    const account = MailServices.accounts.createAccount();
    account.incomingServer = server;
    account.addIdentity(identity);
    return server.key;
  },

  /** Trusts the key of somebody else. */
  async acceptKey({ certificate }) {
    return imported(await RNP.importPubkeyBlockAutoAcceptImpl(null, certificate, 'verified'));
  },

  /** Trusts an authority of TLS, as a user does in the settings. */
  async trustAuthority({ pem }) {
    const [, base64] = /-----BEGIN CERTIFICATE-----([^-]*)/.exec(pem);
    const database = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB);
    database.addCertFromBase64(base64.replace(/\s/g, ''), 'C,,');
  },

  /** Shows a folder, with all its threads open, and lists what its rows have once there are `count`. */
  async list({ account, folder: name, count }) {
    const folder = await folderOf(account, name);
    const pane = await shownPane(folder);
    await until(`${count} messages in ${name}`, () => {
      if (folder.getTotalMessages(false) !== count) folder.updateFolder(null);
      return pane.gDBView?.rowCount > 0 && folder.getTotalMessages(false) === count;
    });
    pane.gViewWrapper.showThreaded = true;
    pane.goDoCommand('cmd_expandAllThreads');
    await until(`${count} rows`, () => pane.gDBView.rowCount === count);
    return Array.from({ length: count }, (_, row) => rowOf(pane, row));
  },

  /** Opens a message in the pane below its list, and tells what is to be seen. */
  async show({ account, folder: name, messageId }) {
    const folder = await folderOf(account, name);
    const pane = await shownPane(folder);
    const row = await until(`a row for ${messageId}`, () => {
      const rows = Array.from({ length: pane.gDBView.rowCount }, (_, n) => n);
      const found = rows.find((n) => pane.gDBView.getMsgHdrAt(n).messageId === messageId);
      return found === undefined ? undefined : { n: found };
    });
    const shown = await until('the pane for messages', () => {
      const { contentWindow } = pane.messageBrowser;
      return (
        contentWindow?.document.readyState === 'complete' && contentWindow.displayMessage && contentWindow
      );
    });
    // without a key there is nothing to wait for but the message
    const isProcessed = { so: !hasKey(account) };
    const note = () => {
      isProcessed.so = true;
    };
    shown.document.addEventListener('openpgpprocessed', note, { once: true });
    // what it loads for an empty pane may end what is loaded next: then it is opened again
    let again = 0;
    await until(`${messageId} is shown`, () => {
      if (Date.now() > again) {
        pane.threadTree.selectedIndex = -1;
        pane.threadTree.selectedIndex = row.n;
        again = Date.now() + PATIENCE_MS / 5;
      }
      const isThat = shown.msgLoaded && shown.gMessage?.messageId === messageId;
      return isProcessed.so && isThat && isStyled(shown);
    });
    return { ...rowOf(pane, row.n), ...(await contentOf(shown)) };
  },

  /** Counts the keys there are, secret and public. */
  async countKeys() {
    EnigmailKeyRing.clearCache();
    return EnigmailKeyRing.getAllKeys().keyList.length;
  },

  /** Saves an attachment of the message that is shown. */
  async save({ attachment: name }) {
    const pane = await shownPane();
    const { currentAttachments } = pane.messageBrowser.contentWindow;
    const file = PathUtils.join(PathUtils.tempDir, 'saved');
    await [...currentAttachments].find((attachment) => attachment.name === name).saveToFile(file);
    const bytes = await IOUtils.read(file);
    return window.btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  },

  /** Begins an answer to all, and lists to whom it would go. */
  async answerAll() {
    const writing = await openedReply('cmd_replyall');
    const { to, cc } = writing.gMsgCompose.compFields;
    writing.close();
    await until('the answer is closed', () => writing.closed);
    return `${to}, ${cc}`;
  },

  /**
   * Answers the message that is shown, as the button does. What would be sent waits in the outbox, from which
   * it is taken as it is.
   */
  async reply() {
    const outbox = outboxOf();
    const writing = await openedReply('cmd_replySender');
    // it decides this a moment after it has shown the window
    await until('the reply is to be encrypted', () => writing.gSendEncrypted && writing.gEncryptSubject);
    const { value: subject } = writing.document.getElementById('msgSubject');
    const quoted = writing.gMsgCompose.editor.document.body.innerText;
    const to = writing.gMsgCompose.compFields.to;
    const count = outbox.getTotalMessages(false);
    writing.SendMessageLater();
    await until('the reply is in the outbox', () => outbox.getTotalMessages(false) > count && writing.closed);
    const messages = [...outbox.messages];
    const sent = await bytesOf(outbox, messages.at(-1));
    return { subject, quoted, to, sent };
  },

  /** Begins an answer to the message that is shown, and saves it as a draft. */
  async draft({ text }) {
    const writing = await openedReply('cmd_replySender');
    writing.gMsgCompose.editor.insertText(text);
    const { compFields } = writing.gMsgCompose;
    writing.SaveAsDraft();
    await until('the draft is saved', () => compFields.draftId !== '' && !writing.gSaveOperationInProgress);
  },

  /** Sends that. */
  async send() {
    const writing = Services.wm.getMostRecentWindow('msgcompose');
    writing.SendMessage();
    await until('the answer is sent', () => writing.closed);
  },
};

/** Tells whether the owner of an account has a key. */
function hasKey(account) {
  const server = MailServices.accounts.getIncomingServer(account);
  const identity = MailServices.accounts.getFirstIdentityForServer(server);
  return identity.getUnicharAttribute('openpgp_key_id') !== '';
}

/** The window in which an answer to the message that is shown is written. */
async function openedReply(command) {
  const pane = await shownPane();
  pane.goDoCommand(command);
  return until('a window for the answer', () => {
    const open = Services.wm.getMostRecentWindow('msgcompose');
    return open?.gMsgCompose?.editor?.document?.body?.innerText?.includes('wrote:') && open;
  });
}

/** The folder "Unsent Messages" of this machine. */
function outboxOf() {
  if (!MailServices.accounts.accounts.some(({ incomingServer }) => incomingServer.type === 'none'))
    MailServices.accounts.createLocalMailAccount();
  const { rootFolder } = MailServices.accounts.localFoldersServer;
  return rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Queue);
}

async function bytesOf(folder, header) {
  const uri = folder.getUriForMsg(header);
  const service = MailServices.messageServiceFromURI(uri);
  return new Promise((resolve, reject) => {
    const chunks = [];
    const listener = {
      QueryInterface: ChromeUtils.generateQI(['nsIStreamListener']),
      onStartRequest() {},
      onDataAvailable(_request, stream, _offset, count) {
        const input = Cc['@mozilla.org/scriptableinputstream;1'].createInstance(Ci.nsIScriptableInputStream);
        input.init(stream);
        chunks.push(input.readBytes(count));
      },
      onStopRequest(_request, status) {
        if (status === 0) resolve(window.btoa(chunks.join('')));
        else reject(new Error(`status ${status}`));
      },
    };
    service.streamMessage(uri, listener, null, null, false, '');
  });
}

/** The server to send with. Nobody is at port 1. */
function outgoing(port = 1) {
  const known = MailServices.outgoingServer.servers.find(
    (each) => each.QueryInterface(Ci.nsISmtpServer).port === port,
  );
  if (known !== undefined) return known;
  const server = MailServices.outgoingServer.createServer('smtp');
  server.QueryInterface(Ci.nsISmtpServer);
  server.hostname = '127.0.0.1';
  server.port = port;
  server.socketType = Ci.nsMsgSocketType.plain;
  server.authMethod = Ci.nsMsgAuthMethod.none;
  return server;
}

async function folderOf(key, name) {
  const server = MailServices.accounts.getIncomingServer(key);
  return until(`the folder ${name}`, () => {
    server.rootFolder.getNewMessages?.(null, null);
    return server.rootFolder.subFolders.find((folder) => folder.name === name || folder.prettyName === name);
  });
}

/** The list of messages and the pane below it, with a folder, or with what they have. */
async function shownPane(folder) {
  const pane = await until('the main window', () => {
    const { chromeBrowser } = window.document.getElementById('tabmail')?.currentTabInfo ?? {};
    return chromeBrowser?.contentWindow?.threadTree && chromeBrowser.contentWindow;
  });
  if (folder !== undefined && pane.gFolder !== folder) {
    pane.displayFolder(folder.URI);
    await until(`the folder ${folder.name} is shown`, () => pane.gFolder === folder && pane.gDBView);
  }
  return pane;
}

/** A row of the list. The level is 0 for the first message of a thread. */
function rowOf(pane, row) {
  const view = pane.gDBView;
  return {
    messageId: view.getMsgHdrAt(row).messageId,
    listed: view.cellTextForColumn(row, 'subjectCol'),
    correspondent: view.cellTextForColumn(row, 'senderCol'),
    level: view.getLevel(row),
    // as the style of the row has it
    hasAttachment: view.getRowProperties(row).split(' ').includes('attach'),
  };
}

/** Tells whether the style is there that hides the header for printers, which stands in the text. */
function isStyled(shown) {
  const { contentDocument: message } = shown.getMessagePaneBrowser();
  const isHidden = (table) => message.defaultView.getComputedStyle(table).display === 'none';
  return [...message.querySelectorAll('.moz-main-header')].every(isHidden);
}

async function contentOf(shown) {
  const text = (id) => shown.document.getElementById(id)?.textContent.trim() ?? '';
  const isSeen = (id) => {
    const element = shown.document.getElementById(id);
    return element !== null && !element.hidden && !element.collapsed;
  };
  const body = shown.getMessagePaneBrowser().contentDocument.body;
  return {
    subject: shown.document.getElementById('expandedsubjectBox').value.textContent,
    sender: text('expandedfromRow'),
    recipients: text('expandedtoRow'),
    text: body.innerText,
    pictures: [...body.querySelectorAll('img')].map(({ complete, naturalWidth }) =>
      complete ? naturalWidth : 0,
    ),
    isEncrypted: isSeen('encryptedHdrIcon'),
    encryption: shown.document.getElementById('encryptedHdrIcon').src,
    signature: isSeen('signedHdrIcon') ? shown.document.getElementById('signedHdrIcon').src : '',
    invitation: isSeen('imip-bar') ? text('imip-bar') : '',
    attachments: Array.from(shown.currentAttachments, ({ name }) => name),
  };
}

// biome-ignore lint/complexity/noArguments: Marionette makes a function of this file
const [action, values, done] = arguments;
actions[action](values).then(
  (value) => done({ value }),
  (error) => done({ error: `${error} ${error.stack}` }),
);
