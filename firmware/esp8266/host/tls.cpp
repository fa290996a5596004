// WiFiClientSecure as BearSSL over a socket.
#include <bearssl.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <vector>

#include <WiFiClientSecure.h>

#include "host.h"

namespace BearSSL {

struct Anchors {
  std::vector<br_x509_trust_anchor> list;
  std::deque<std::vector<unsigned char>> bytes;  // what list points at

  unsigned char *keep(const unsigned char *data, size_t n) {
    bytes.emplace_back(data, data + n);
    return bytes.back().data();
  }
  bool add(const std::vector<unsigned char> &certificate);
};

// Pinned is an X.509 engine that looks at nothing but the SHA-1 of the first
// certificate: no chain, no name, no date.
struct Pinned {
  const br_x509_class *vtable;
  br_x509_decoder_context decoder;
  br_sha1_context sum;
  unsigned char want[20];
  unsigned certificates;
};

struct Engine {
  br_ssl_client_context client;
  br_x509_minimal_context minimal;
  Pinned pinned;
  bool pin = false;
  const Anchors *anchors = nullptr;
  time_t now = 0;
  std::vector<unsigned char> in = std::vector<unsigned char>(BR_SSL_BUFSIZE_INPUT);
  std::vector<unsigned char> out = std::vector<unsigned char>(BR_SSL_BUFSIZE_OUTPUT);
  unsigned long timeout = 5000;
  int fd = -1;
  bool up = false;
  int error = 0;

  bool dial(const char *host, uint16_t port);
  bool handshake(const char *host);
  bool sendRecords();
  bool receive(bool wait);
  void close();
  br_ssl_engine_context *engine() { return &client.eng; }
  unsigned state() { return br_ssl_engine_current_state(engine()); }
};

namespace {

void append(void *to, const void *data, size_t n) {
  const unsigned char *p = static_cast<const unsigned char *>(data);
  auto *v = static_cast<std::vector<unsigned char> *>(to);
  v->insert(v->end(), p, p + n);
}

Pinned *pinnedOf(const br_x509_class **c) { return reinterpret_cast<Pinned *>(c); }

void startChain(const br_x509_class **c, const char *) { pinnedOf(c)->certificates = 0; }

void startCert(const br_x509_class **c, uint32_t) {
  Pinned *p = pinnedOf(c);
  if (p->certificates != 0) return;
  br_x509_decoder_init(&p->decoder, nullptr, nullptr);
  br_sha1_init(&p->sum);
}

void appendCert(const br_x509_class **c, const unsigned char *data, size_t n) {
  Pinned *p = pinnedOf(c);
  if (p->certificates != 0) return;
  br_x509_decoder_push(&p->decoder, data, n);
  br_sha1_update(&p->sum, data, n);
}

void endCert(const br_x509_class **c) { pinnedOf(c)->certificates++; }

unsigned endChain(const br_x509_class **c) {
  Pinned *p = pinnedOf(c);
  unsigned char sum[20];
  if (p->certificates == 0) return BR_ERR_X509_EMPTY_CHAIN;
  br_sha1_out(&p->sum, sum);
  return memcmp(sum, p->want, sizeof sum) == 0 ? 0 : BR_ERR_X509_NOT_TRUSTED;
}

const br_x509_pkey *pinnedKey(const br_x509_class *const *c, unsigned *usages) {
  if (usages != nullptr) *usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
  return br_x509_decoder_get_pkey(&reinterpret_cast<Pinned *>(const_cast<const br_x509_class **>(c))->decoder);
}

const br_x509_class pinnedClass = {sizeof(Pinned), startChain, startCert, appendCert, endCert, endChain, pinnedKey};

}  // namespace

bool Anchors::add(const std::vector<unsigned char> &certificate) {
  std::vector<unsigned char> name;
  br_x509_decoder_context decoder;
  br_x509_decoder_init(&decoder, append, &name);
  br_x509_decoder_push(&decoder, certificate.data(), certificate.size());
  const br_x509_pkey *key = br_x509_decoder_get_pkey(&decoder);
  if (key == nullptr) return false;
  br_x509_trust_anchor a = {};
  a.dn.data = keep(name.data(), name.size());
  a.dn.len = name.size();
  a.flags = br_x509_decoder_isCA(&decoder) ? BR_X509_TA_CA : 0;
  a.pkey = *key;
  if (key->key_type == BR_KEYTYPE_RSA) {
    a.pkey.key.rsa.n = keep(key->key.rsa.n, key->key.rsa.nlen);
    a.pkey.key.rsa.e = keep(key->key.rsa.e, key->key.rsa.elen);
  } else {
    a.pkey.key.ec.q = keep(key->key.ec.q, key->key.ec.qlen);
  }
  list.push_back(a);
  return true;
}

X509List::X509List() : anchors_(new Anchors) {}

X509List::~X509List() { delete anchors_; }

bool X509List::append(const char *pem) {
  br_pem_decoder_context decoder;
  br_pem_decoder_init(&decoder);
  std::vector<unsigned char> certificate;
  bool any = false;
  for (size_t left = strlen(pem); left > 0;) {
    size_t n = br_pem_decoder_push(&decoder, pem, left);
    pem += n;
    left -= n;
    switch (br_pem_decoder_event(&decoder)) {
      case BR_PEM_BEGIN_OBJ:
        certificate.clear();
        br_pem_decoder_setdest(&decoder, BearSSL::append, &certificate);
        break;
      case BR_PEM_END_OBJ:
        if (!anchors_->add(certificate)) return false;
        any = true;
        break;
      case BR_PEM_ERROR:
        return false;
    }
  }
  return any;
}

bool Engine::dial(const char *host, uint16_t port) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, std::to_string(port).c_str(), &hints, &found) != 0) return false;
  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval limit = {static_cast<time_t>(timeout / 1000), static_cast<suseconds_t>(timeout % 1000 * 1000)};
  int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  bool ok = ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  return ok;
}

bool Engine::handshake(const char *host) {
  br_ssl_client_init_full(&client, &minimal, anchors ? anchors->list.data() : nullptr,
                          anchors ? anchors->list.size() : 0);
  if (pin) {
    pinned.vtable = &pinnedClass;
    br_ssl_engine_set_x509(engine(), &pinned.vtable);
  } else {
    // Days since the year 0, and seconds of the day.
    br_x509_minimal_set_time(&minimal, static_cast<uint32_t>(now / 86400 + 719528), static_cast<uint32_t>(now % 86400));
  }
  br_ssl_engine_set_buffers_bidi(engine(), in.data(), in.size(), out.data(), out.size());
  br_ssl_client_reset(&client, host, 0);
  while ((state() & (BR_SSL_SENDAPP | BR_SSL_CLOSED)) == 0) {
    if (!sendRecords()) break;
    if ((state() & BR_SSL_RECVREC) != 0 && !receive(true)) break;
  }
  error = br_ssl_engine_last_error(engine());
  return (state() & BR_SSL_SENDAPP) != 0;
}

bool Engine::sendRecords() {
  while ((state() & BR_SSL_SENDREC) != 0) {
    size_t n;
    unsigned char *data = br_ssl_engine_sendrec_buf(engine(), &n);
    ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    br_ssl_engine_sendrec_ack(engine(), static_cast<size_t>(sent));
  }
  return true;
}

// receive takes what the socket has. It returns false when the connection is at
// its end; without wait, having nothing is no end.
bool Engine::receive(bool wait) {
  size_t n;
  unsigned char *data = br_ssl_engine_recvrec_buf(engine(), &n);
  ssize_t got = recv(fd, data, n, wait ? 0 : MSG_DONTWAIT);
  if (got <= 0) return got < 0 && !wait && (errno == EAGAIN || errno == EWOULDBLOCK);
  br_ssl_engine_recvrec_ack(engine(), static_cast<size_t>(got));
  return true;
}

void Engine::close() {
  if (up) {
    br_ssl_engine_close(engine());
    sendRecords();
  }
  up = false;
  if (fd >= 0) ::close(fd);
  fd = -1;
  host::answered();
}

WiFiClientSecure::WiFiClientSecure() : engine_(new Engine) {}

WiFiClientSecure::~WiFiClientSecure() {
  engine_->close();
  delete engine_;
}

void WiFiClientSecure::setTrustAnchors(const X509List *anchors) {
  engine_->anchors = anchors->anchors_;
  engine_->pin = false;
}

bool WiFiClientSecure::setFingerprint(const char *sha1) {
  engine_->pin = true;
  size_t n = 0;
  for (; *sha1 != 0 && n < sizeof engine_->pinned.want; n++) {
    while (*sha1 == ' ' || *sha1 == ':') sha1++;
    unsigned byte;
    if (sscanf(sha1, "%2x", &byte) != 1) return false;
    engine_->pinned.want[n] = static_cast<unsigned char>(byte);
    sha1 += 2;
  }
  return n == sizeof engine_->pinned.want;
}

void WiFiClientSecure::setX509Time(time_t now) { engine_->now = now; }

// BearSSL asks for short records when the buffer is one for them: the payload
// and 325 bytes, or 85 for sending.
void WiFiClientSecure::setBufferSizes(int receive, int send) {
  engine_->in.resize(static_cast<size_t>(receive) + 325);
  engine_->out.resize(static_cast<size_t>(send) + 85);
}

void WiFiClientSecure::setTimeout(unsigned long ms) { engine_->timeout = ms; }

int WiFiClientSecure::connect(const char *host, uint16_t port) {
  Engine &e = *engine_;
  e.close();
  e.error = 0;
  host::expectAnswer();
  e.up = e.dial(host, port) && e.handshake(host);
  if (!e.up) e.close();
  host::answered();
  return e.up;
}

int WiFiClientSecure::available() {
  Engine &e = *engine_;
  if (!e.up) return 0;
  while ((e.state() & (BR_SSL_RECVREC | BR_SSL_RECVAPP)) == BR_SSL_RECVREC) {
    size_t before;
    br_ssl_engine_recvrec_buf(e.engine(), &before);
    if (!e.receive(false) || !e.sendRecords()) {
      e.close();
      return 0;
    }
    size_t after = 0;
    if ((e.state() & BR_SSL_RECVREC) != 0) br_ssl_engine_recvrec_buf(e.engine(), &after);
    if (before == after) break;
  }
  size_t n = 0;
  if ((e.state() & BR_SSL_RECVAPP) != 0) br_ssl_engine_recvapp_buf(e.engine(), &n);
  if (n == 0 && (e.state() & BR_SSL_CLOSED) != 0) e.close();
  return static_cast<int>(n);
}

uint8_t WiFiClientSecure::connected() {
  available();
  return engine_->up;
}

int WiFiClientSecure::read(uint8_t *data, size_t size) {
  size_t n = static_cast<size_t>(available());
  if (n == 0) return 0;
  unsigned char *from = br_ssl_engine_recvapp_buf(engine_->engine(), &n);
  if (n > size) n = size;
  memcpy(data, from, n);
  br_ssl_engine_recvapp_ack(engine_->engine(), n);
  host::answered();
  return static_cast<int>(n);
}

size_t WiFiClientSecure::write(const uint8_t *data, size_t size) {
  Engine &e = *engine_;
  for (size_t done = 0; done < size;) {
    if (!e.up || !e.sendRecords() || (e.state() & BR_SSL_SENDAPP) == 0) return done;
    size_t n;
    unsigned char *to = br_ssl_engine_sendapp_buf(e.engine(), &n);
    if (n > size - done) n = size - done;
    memcpy(to, data + done, n);
    br_ssl_engine_sendapp_ack(e.engine(), n);
    br_ssl_engine_flush(e.engine(), 0);
    done += n;
  }
  if (!e.sendRecords()) return 0;
  host::expectAnswer();
  return size;
}

void WiFiClientSecure::stop() { engine_->close(); }

int WiFiClientSecure::getLastSSLError(char *text, size_t size) {
  if (text != nullptr && size > 0) snprintf(text, size, "%s", engine_->error != 0 ? "(of BearSSL)" : "");
  return engine_->error;
}

}  // namespace BearSSL
