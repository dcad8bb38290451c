"""Documents made from text, for what shows and tests that memseal reads them."""
import io
import zipfile
from xml.sax.saxutils import escape

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def _relation(number, kind, target):
    return f'<Relationship Id="r{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'


def _paragraph(text):
    style = ""
    if text.startswith("# "):
        text, style = text[2:], '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    return f"<w:p>{style}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def docx(*paragraphs):
    """The least that Word calls a document. A paragraph that begins with `# ` is a heading."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{_PACKAGE}">'
                         f'{_relation(1, "officeDocument", "word/document.xml")}</Relationships>')
        archive.writestr("word/_rels/document.xml.rels", f'<Relationships xmlns="{_PACKAGE}">'
                         f'{_relation(1, "styles", "styles.xml")}</Relationships>')
        archive.writestr("word/styles.xml", f'<w:styles xmlns:w="{_WORD}"><w:style w:type="paragraph" '
                         'w:styleId="Heading1"><w:name w:val="heading 1"/></w:style></w:styles>')
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{_WORD}"><w:body>'
                         f'{"".join(map(_paragraph, paragraphs))}</w:body></w:document>')
    return file.getvalue()


def pdf(*pages):
    """A page for each text, which is in Latin 1 and has a line of the page in each of its lines. An empty text
    is an empty page."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    parts = ["<</Type/Catalog/Pages 2 0 R>>",
             f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{number} 0 R' for number in numbers)}]>>",
             "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    for number, text in zip(numbers, pages):
        lines = text.translate({ord(c): f"\\{c}" for c in "()\\"}).split("\n") if text else []
        shown = "".join(f"({line}) Tj T* " for line in lines)
        stream = f"BT /F 10 Tf 13 TL 60 740 Td {shown}ET" if lines else ""
        parts.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {number + 1} 0 R"
                     "/Resources<</Font<</F 3 0 R>>>>>>")
        parts.append(f"<</Length {len(stream.encode('latin-1'))}>>stream\n{stream}\nendstream")
    file, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(file))
        file += f"{number} 0 obj{part}endobj\n".encode("latin-1")
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return file + (f"xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}trailer<</Size {len(parts) + 1}"
                   f"/Root 1 0 R>>\nstartxref\n{len(file)}\n%%EOF\n").encode()
