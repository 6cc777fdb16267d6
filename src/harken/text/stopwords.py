# SPDX-License-Identifier: Apache-2.0
"""Words that say nothing of what a recording is about, and the language that such words give away.

Function words, what people say between words, and words so vague that they are no topic. Kept folded (see
:func:`harken.text.words.fold`); other languages get none, and do without.
"""

# ruff: noqa: RUF001  (letters of one script look like those of another)

from __future__ import annotations

from collections import Counter
from functools import cache

from harken.text.words import fold, words

_LISTS = {
    "en": """
        a about above absolutely across actual actually after again against ago ah alright all almost along already also
        although always am an and another any anybody anymore anyone anything anyway are around as ask asked at away
        awesome back bad basically be became because become been before began being believe best better between big bit
        both but by bye call called came can cannot certainly come comes coming completely cool could couple course damn
        day days definitely did different do does doing don done down during each easy eight either else end enough er
        erm especially even ever every everybody everyone everything exactly fact far feel felt few find fine first five
        for forward found four from front full gave get gets getting give given gives go goes going gone gonna good
        gosh got gotta great guess guy guys had happen happened happens hard has have having he hello hey hi hear heard
        her here hers herself high him himself his hmm honestly how however huh hundred i idea if important in inside
        instead interesting into is it its itself just keep kind kinda knew know knows large last late later least leave
        left less let lets like liked little long look looked looking looks lot lots love low made main make makes
        making man many matter may maybe me mean means meant might mhm mine minute minutes mm mmm more morning most move
        much must my myself name near need needs never new next nice nine no nobody none nor not nothing now number
        obviously of off oh ok okay old on once one ones only onto open or other others our ours out over own part past
        people perhaps person place please point possible pretty probably problem put question quite rather read ready
        real really reason remember right said same saw say saying says second see seem seems seen set seven several
        shall she should show side simply since six small so some somebody somehow someone something sometimes somewhere
        soon sorry sort sounds start started still stop stuff such sure take taken takes talk talked talking tell ten
        than thank thanks that the their theirs them themselves then there these they thing things think third this
        those though thought thousand three through time times to today together told tomorrow tonight too took totally
        toward try trying turn two type uh uhm um under understand until up upon us use used using usually very wait
        walk want wanted wants was way ways we week well went were what whatever when where whether which while who
        whole whom whose why will wish with within without wonderful won wonder word words work worked working works
        world would wow wrong yeah year years yep yes yesterday yet you your yours yourself yup
        aren couldn didn doesn hadn hasn haven isn ll mustn re shouldn ve wasn weren wouldn ain cause cos wanna lemme
        gimme dunno
    """,
    "de": """
        aber ach ah alle allem allen aller alles als also am an andere anderen anderer anderes auch auf aus bei beide
        beim bereits besser bin bis bisschen bist bitte da dabei dadurch dafür dagegen daher damit danach dann daran
        darauf darf darum das dass davon davor dazu dein deine dem den denen denn der deren des deshalb dessen dich die
        dies diese diesem diesen dieser dieses dir doch dort drei du durch dürfen eben echt eher eigentlich ein eine
        einem einen einer eines einfach einige einmal eins er erst erste ersten es etwa etwas euch euer eure fast finde
        für ganz gar geben gegen gehabt gehen geht genau gerade gern gesagt gewesen gibt ging glaube gleich gut gute
        guten hab habe haben habt hallo halt hat hatte hatten hätte hätten hier hin hinter ich ihm ihn ihnen ihr ihre
        ihrem ihren ihrer im immer in ins irgendwie ist ja jede jeden jeder jedes jemand jetzt kam kann kannst kein
        keine keinen keiner klar kommen kommt können könnte könnten lassen letzte letzten liegt mache machen macht mal
        man manche mehr mein meine meinen meiner meist mich mir mit möchte morgen müssen müsste muss na nach nachdem
        natürlich neben nein nicht nichts nie nimmt noch nun nur ob oder ohne okay schon sehr sei seid sein seine seinem
        seinen seiner seit selbst sich sicher sie sind so sogar soll sollen sollte sollten sondern sonst sowie später
        stimmt tja tun über um und uns unser unsere unter usw viel viele vielen vielleicht vier vom von vor während wann
        war waren warum was weg weil weiß weiter welche welchen welcher wenig wenn wer werde werden wie wieder will
        wir wird wirklich wo wohl wollen wollte worden wurde wurden würde würden zu zum zur zwei zwischen äh ähm
        ding dinge leute sache sachen jahr jahre tag tage zeit mensch menschen guck schau sag sagen danke heute gestern
    """,
    "fr": """
        a à ah ai aie ainsi aller alors apres après as assez au aucun aucune aujourd aussi autre autres aux avait avant
        avec avez avoir avons ayant beaucoup ben bien bon bonjour bonne c ça car ce ceci cela celle celles celui cent
        ces cet cette ceux chaque chez chose choses comme comment d dans de deja déjà depuis des deux devant dire dis
        disait dit dois doit donc donner dont du elle elles en encore enfin entre es est et étaient etait était étant
        ete été etes êtes être eu euh eux faire fais fait faut fois font grand gens hein hier hui ici il ils j jamais je
        jour jours jusqu juste l la là laquelle le lequel les leur leurs lorsque lui m ma maintenant mais manière me
        même mêmes merci mes moi moins mon n ne ni niveau non nos notre nous nouveau nouvelle ok on ont ou où ouais oui
        par parce pareil pas passe pendant peu peut peuvent peux plus plusieurs plutôt pour pourquoi pouvez pouvoir
        premier première pres près presque puis qu quand que quel quelle quelles quelque quelques quels qui quoi rien s
        sa sais sans sait se sera ses si sinon soit sommes son sont sous souvent suis sur surtout t ta tant te tel tes
        toi ton toujours tous tout toute toutes très trois trop tu un une va vais vas vers veut veux vient voilà voir
        vois voit vont vos votre vous vrai vraiment y an ans année années temps truc trucs monde petit petite
    """,
    "es": """
        a ahí ahora al algo alguien algún alguna algunas alguno algunos allá allí ante antes año años aquel aquella aquí
        así aún aunque bastante bien bueno buena buenos cada casi claro como cómo con contra cosa cosas creo cual cuál
        cuales cualquier cuando cuándo cuanto da dar de debe decir dejar del desde después dia día días dice dicho dijo
        donde dónde dos durante e el él ella ellas ellos en entonces entre era eran eres es esa esas ese eso esos esta
        está estaba estado estamos están estar estas este esto estos estoy etc fue fueron gente gracias gran grande ha
        haber había hace hacer hacia hago han has hasta hay haya he hemos hola hoy ir jamás junto la las le les lo los
        luego más mañana me mejor menos mi mí mientras mío mira mis misma mismo mucha muchas mucho muchos muy nada nadie
        ni ninguna ninguno no nos nosotros nuestra nuestras nuestro nuestros nunca o ok os otra otras otro otros para
        parece parte pero persona personas poco poder podemos podría por porque primer primera pues puede pueden puedo
        que qué quien quién quiere quiero saber sabe se sé sea según ser será si sí sido siempre siendo sin sino sobre
        solo sólo somos son soy su sus también tampoco tan tanto te tenemos tener tengo ti tiempo tiene tienen toda
        todas todavía todo todos tres tu tú tus un una unas uno unos usted ustedes va vale vamos van vaya ver verdad vez
        veces voy y ya yo eh ayer pues manera forma tipo
    """,
    "it": """
        a abbiamo adesso ad ah ai al alcuni alcune alla alle allo allora almeno altra altre altri altro anche ancora
        andare anno anni appena avere aveva avevano avete avuto bella bello bene beh bisogna buon buona c che chi ci
        ciao ciò cioè circa come con cosa cose così cui da dagli dai dal dalla dalle dallo davvero degli dei del dell
        della delle dello dentro detto deve devo di dice dire dopo dove due dunque e è ecco ed entro era erano eravamo
        esempio essere fa faccio fanno fare fatto fino forse fra fuori già gente giorno giorni gli grazie grande ha hai
        hanno ho i ieri il in infatti insomma invece io l la là le lei li lì lo loro lui ma magari mai me meglio meno
        mentre mi mia mie miei mio modo molta molte molti molto ne nei nel nell nella nelle nello nessuno niente no noi
        non nostra nostre nostri nostro nulla o oggi ogni ok ora oppure parte per perché però più poco poi
        possiamo posso potere prima primo proprio può qua qual quale quali qualche qualcosa qualcuno quando quanto
        quasi quattro quella quelle quelli quello questa queste questi questo qui quindi sa sarà se sei sembra sempre
        senza si sì sia siamo siete solo sono sopra sotto sta stai stanno stare stata stato stesso sto su sua sue sugli
        sui sul sulla suo suoi tanta tanti tanto te tempo tipo ti tra tre troppo tu tua tuo tutta tutte tutti tutto un
        una uno va vabbè vado vai vanno vedere verso vi via voi volta volte vuol vuole domani
    """,
    "pt": """
        a à agora ah ai aí ainda algo alguém algum alguma algumas alguns ali amanhã ano anos antes ao aos apenas aquela
        aquele aqueles aqui aquilo as às assim até bem boa bom cada casa claro coisa coisas com como da dar das de
        dela dele deles demais depois desde dessa desse desta deste dia dias disse dito diz dizer do dois dos duas e é
        ela elas ele eles em então entre era eram essa essas esse esses esta está estamos estão estar estas estava este
        estes estou eu fala falar falou fazer faz fez ficar fim foi for foram forma gente grande há hoje ir isso isto já
        lá lhe lo logo mais mas me mesma mesmo meu meus mim minha minhas muita muitas muito muitos na nada não nas né
        nem nenhum nessa nesse no nós nos nossa nossas nosso nossos num numa nunca o obrigado obrigada oi ok olha onde
        ontem os ou outra outras outro outros ou para pela pelas pelo pelos pessoa pessoas pode podem podemos poder pois
        por porque pouco pra pro porém primeira primeiro qual quais qualquer quando quanto quase que quê quem quer quero
        sabe saber são se seja sem sempre sendo ser será seu seus si sido sim sobre só sou sua suas também tão tanto te
        tem têm temos tempo tenho ter teve teu ti tinha tipo toda todas todo todos três tu tua tudo um uma umas uns vai
        vamos vão você vocês vez vezes voce vou eh
    """,
    "nl": """
        aan al alle alleen allemaal alles als altijd ander andere anders ben beetje best bij binnen bijvoorbeeld daar
        daarom dag dagen dan dank dat de denk deze die ding dingen dit doe doen doet door drie dus echt een eens eerst
        eerste eigenlijk elk elke en er even gaan gaat gedaan geen geeft gewoon geweest gezegd goed goede graag haar had
        hadden hallo heb hebben hebt heeft heel helemaal hem hen het hier hij hoe hoor hun iedereen iemand iets ik in
        inderdaad is ja jaar jaren je jij jou jouw jullie kan kijk kijken klopt komen komt kon kunnen kun laat laten
        leuk maar maken maakt man mee meer meest men mensen met mij mijn misschien moest moet moeten mogen morgen na
        naar natuurlijk nee niemand niet niets nieuwe nog nou nu of oh oké okay om omdat onder ons onze ook op over paar
        precies soms staat steeds te tegen ter tijd toch toen tot tussen twee u uh uit uw vaak van vandaag vanaf veel
        verder vier vind voor vooral waar waarom wanneer want waren was wat weer weet weg wel welke werd weten wie wij
        wil willen wordt worden wou zal ze zeg zegt zeggen zei zelf zich zie zien zij zijn zo zoals zou zouden zullen
        gisteren eh ehm hè dat
    """,
    "ru": """
        а без более больше будет будто бы был была были было быть в вам вас ваш вдруг ведь весь вместе во вообще вот все
        всегда всего всех всю всё вы где говорит говорить говорю год года да давайте даже два дела дело день для до
        другой другие его ее её ей если есть еще ещё ж же за здесь знаете знаю и из или им иногда их к каждый как какая
        какой какие кажется когда конечно короче который которая которые кто куда ли либо лучше люди людей между меня
        мне много может можно мой моя мы на над надо наверное нас наш не него нее неё ней нельзя нет ни нибудь никогда
        ним них ничего но ну о об один однако он она они оно опять от очень перед по под после потом потому почему
        почти при про просто раз разве с сам самый сам свой свои своего себе себя сегодня сейчас сказал сказать сколько
        со собственно совсем спасибо так такая такие такой там тебя тем теперь то тогда того тоже только том тот три ту
        ты типа у уж уже хорошо хоть чего чем через что чтоб чтобы чуть эта эти это этого этой этом этот эту я вчера
        завтра
    """,
}

RUNNING = frozenset(
    "的了是我你他她它们在有不这那就也和都说要会吗呢吧啊与及很到去来上下个没对们把被让给从里着过得地但而么什以为可能还最一"
)
"""Characters of Chinese that join words more often than they are one."""


@cache
def of(language: str) -> frozenset[str]:
    """The folded words of a language, by its ISO 639-1 code; none for a language that has no list here."""
    return frozenset(fold(word) for word in _LISTS.get(language, "").split())


LANGUAGES = tuple(_LISTS)


def guess(text: str) -> str:
    """The language of a text by its commonest words; empty when none of ours stands out."""
    counts = Counter(fold(word) for word in words(text[:20_000]))
    hits = {language: sum(counts[word] for word in of(language)) for language in LANGUAGES}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] * 5 >= sum(counts.values()) > 0 else ""
