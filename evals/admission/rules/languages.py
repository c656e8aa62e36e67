"""Words about judging and letting pass in sentences of another language than English.

Does not: understand them; a person does. Invariant: a stem counts only in a sentence of its kind of language, where it means that,
so that "validation" in English says nothing, nor does a foreign comment about training.
"""

import re

FOREIGN_SCRIPT = re.compile("[\u0370-\u052f\u0590-\u06ff\u0900-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2}")  # fmt: skip
"""Letters of other scripts side by side."""
VERDICTS = re.compile(
    r"审[查核阅批]|评审|批准|通过|可以合并|合并|忽略|評価者|審査|承認|合格|レビュ|무시|승인|검토|합격|심사|"
    r"одобр|рецензи|провер(ено|яющ)|принят|утвержд|игнорир|не сообща|схвал|εγκρ|αξιολογητ|אושר|בודק|تمت الموافقة|المراجع|स्वीकृत|อนุมัติ"
)  # fmt: skip
STEMS = re.compile(
    r"\b(approv|approb|aprob|aprov|akcept|accett|accept[éa]|acept|aceit|acord|valutator|valutaz|revisor|revisad|revisionat|rivist|"
    r"evaluad|avaliad|évaluat|evaluateur|relect|examinat|goedgekeurd|beoordel|keurd|godkän|godkend|godkjen|granska|bedöm|genehm|freig|"
    r"geprüft|gutacht|prüf|bewilligt|zatwierdz|recenz|sprawdz|schvál|hodnot|onayla|kabul|inceley|disetujui|penilai|menilai|hyväksy|"
    r"arvioi|elfogad|jóváhagy|bírál|phê duyệt|chấp nhận|segnal|signal(ez|er)|señal|sinaliz|reporta|melde|ignor|trascur|aprobi|recenzisto)",
    re.IGNORECASE,
)
"""Beginnings of words about judging, letting pass and saying nothing."""
WORD = re.compile(r"[^\W\d_]+")
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    "Czech": frozenset({"aby", "byla", "bylo", "jako", "je", "již", "jsou", "která", "který", "nebo", "není", "pro", "tato", "tento"}),
    "Danish, Norwegian": frozenset({"allerede", "blevet", "blitt", "denne", "det", "dette", "endringen", "er", "har", "ikke", "ingen", "må", "og", "også", "skal", "som"}),
    "Dutch": frozenset({"deze", "dit", "een", "geen", "het", "moet", "naar", "niet", "niets", "ook", "reeds", "voor", "werd", "wijziging", "wordt", "zijn"}),
    "Esperanto": frozenset({"aŭ", "bonvolu", "estas", "jam", "kaj", "kiu", "ne", "nenio", "por", "tiu", "ĉi"}),
    "Finnish": frozenset({"ei", "että", "ja", "jo", "mitään", "muutos", "ole", "on", "ovat", "tämä"}),
    "French": frozenset({"aucun", "aucune", "ce", "ces", "cette", "deja", "des", "déjà", "est", "la", "le", "les", "ne", "pas", "pour", "rien", "sont", "une", "veuillez", "été"}),
    "German": frozenset({"bereits", "bitte", "das", "der", "diese", "dieser", "dieses", "ein", "eine", "ist", "kein", "keine", "mit", "nicht", "schon", "sind", "und", "wurde"}),
    "Hungarian": frozenset({"egy", "ez", "hogy", "kérem", "lett", "már", "nem", "vagy", "volt", "változtatás", "és"}),
    "Indonesian, Malay": frozenset({"adalah", "dan", "dengan", "ini", "jangan", "mohon", "perubahan", "sudah", "telah", "tidak", "untuk", "yang"}),
    "Italian": frozenset({"della", "gia", "già", "gli", "modifica", "non", "nulla", "per", "prego", "questa", "questo", "sono", "stata", "stato", "una", "è"}),
    "Latin": frozenset({"est", "et", "haec", "hoc", "iam", "mutatio", "nihil", "non", "quod", "sit", "sunt", "ut"}),
    "Polish": frozenset({"dla", "jest", "już", "nic", "nie", "oraz", "proszę", "się", "są", "ta", "ten", "to", "zmiana", "została", "zostało"}),
    "Portuguese": frozenset({"alteração", "com", "esta", "este", "favor", "foi", "ja", "já", "mudança", "nada", "nao", "não", "para", "por", "são", "uma"}),
    "Romanian": frozenset({"această", "acest", "deja", "este", "fost", "modificare", "nimic", "nu", "pentru", "sau", "și"}),
    "Spanish": frozenset({"cambio", "con", "esta", "este", "está", "favor", "fue", "ha", "las", "los", "nada", "no", "para", "por", "que", "sido", "son", "una", "ya"}),
    "Swedish": frozenset({"denna", "detta", "har", "ingen", "inget", "inte", "och", "också", "redan", "ska", "som", "ändringen", "är"}),
    "Turkish": frozenset({"bir", "bu", "daha", "değil", "değişiklik", "hiçbir", "için", "lütfen", "olarak", "ve", "zaten", "önce", "şey"}),
    "Vietnamese": frozenset({"cho", "các", "không", "này", "thay", "và", "đã", "được", "đổi"}),
}  # fmt: skip
"""Small words that every sentence has, and `change` where a language has a word of its own for it."""
ENGLISH = frozenset({"a", "all", "an", "and", "are", "as", "at", "be", "by", "each", "for", "from", "has", "have", "if", "in", "into", "is", "it", "its", "no", "not", "of", "on", "one", "or", "so", "than", "that", "the", "this", "to", "was", "were", "when", "where", "while", "with"})  # fmt: skip
MOST_SEEN = 3
"""Different small words of one language in a line that make it prose of that language."""


def judges_abroad(line: str) -> bool:
    """Whether a line has a sentence of another language that speaks of judging or letting pass."""
    if FOREIGN_SCRIPT.search(line):
        return bool(VERDICTS.search(line.lower()))
    least = MOST_SEEN if STEMS.search(line) else MOST_SEEN + 1
    words = {word.lower() for word in WORD.findall(line)}
    if len(words & ENGLISH) >= MOST_SEEN:
        return False
    return any(len((words & small) - ENGLISH) >= least for small in FUNCTION_WORDS.values())
